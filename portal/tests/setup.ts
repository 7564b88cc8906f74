import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { afterEach } from "vitest";

configure({ asyncUtilTimeout: 25_000 }); // pages are loaded when they are opened, on a busy machine
afterEach(cleanup);
