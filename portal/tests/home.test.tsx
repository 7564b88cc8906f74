import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { Blocks, MyModels } from "../src/features/home/Lately";
import Administration from "../src/features/home/Administration";
import { SessionProvider, type Session } from "../src/lib/session";
import { serve, session, show } from "./stage";

const pagination = { page: 1, limit: 100, total: 2, total_pages: 1 };
const model = (name: string, changes: object = {}) => ({ id: name, name, status: "available", health: "healthy", retires_at: null, ...changes });

test("of my models only those that need a look are named", async () => {
  serve({ "GET /api/v1/models": { data: [model("good"), model("ill", { health: "unavailable" }), model("old", { status: "deprecated" })], pagination } });
  await show(<MyModels />);
  expect(await screen.findByRole("link", { name: "ill" })).toBeVisible();
  expect(screen.getByRole("link", { name: "old" })).toBeVisible();
  expect(screen.queryByText("good")).toBeNull();
});

test("what was refused in a day is counted by reason, and nothing is shown where nothing was", async () => {
  const asked = serve({ "GET /api/v1/requests": { data: [{ error_code: "rate_limited" }, { error_code: "rate_limited" }, { error_code: "budget_exceeded" }], pagination: { limit: 200, next_cursor: null } } });
  await show(<Blocks />);
  expect((await screen.findByText("rate_limited")).closest("li")).toHaveTextContent("2");
  expect(asked.at(-1)!.query.get("outcome")).toBe("refused");
});

test("administrators read what is wrong with the platform", async () => {
  serve({
    "GET /api/v1/admin/health": { status: "degraded", problems: ["No gateway is running."] },
    "GET /api/v1/workshops": { data: [{ state: "claim_open" }, { state: "ended" }], pagination },
    "GET /api/v1/admin/backups": { data: [] },
  });
  const held = session(["admin:health", "admin:workshops:read", "admin:backup"]) as unknown as Session;
  await show(
    <SessionProvider session={held}>
      <Administration />
    </SessionProvider>,
  );
  expect(await screen.findByText("No gateway is running.")).toBeVisible();
  expect(await screen.findByText("1 workshop runs")).toBeVisible();
  expect(await screen.findByText("There is no backup yet.")).toBeVisible();
});
