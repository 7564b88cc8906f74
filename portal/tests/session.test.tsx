import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { App } from "../src/app/App";
import { json, serve, session, show } from "./stage";

const page = { data: [], pagination: { page: 1, limit: 20, total: 0, total_pages: 0 } };

test("a deep link survives sign-in, with its query and its hash", async () => {
  let isIn = false;
  serve({
    "GET /api/v1/auth/session": () => (isIn ? json(session(["teams:read"])) : json({ code: "UNAUTHENTICATED" }, 401)),
    "POST /api/v1/auth/dev-login": () => {
      isIn = true;
      return json(session(["teams:read"]));
    },
    "GET /api/v1/teams": page,
  });
  await show(<App />, "/teams?search=lab#here");
  await userEvent.click(await screen.findByRole("button", { name: "Sign in as User" }));
  await waitFor(() => expect(screen.getByTestId("address")).toHaveTextContent("/teams?search=lab#here"));
  expect(await screen.findByRole("heading", { level: 1, name: "Teams" })).toBeVisible();
});

test("a target outside of this portal is not followed", async () => {
  serve({ "GET /api/v1/auth/session": session([]) });
  await show(<App />, "/login?return_to=//evil.example");
  await waitFor(() => expect(screen.getByTestId("address")).toHaveTextContent(/^\/$/));
});

test("a page without the right is refused and asks for no data", async () => {
  const asked = serve({ "GET /api/v1/auth/session": session(["models:read"]) });
  await show(<App />, "/admin/users");
  expect(await screen.findByRole("heading", { level: 1, name: "Access denied" })).toBeVisible();
  expect(asked.filter(({ path }) => path.includes("/admin/"))).toEqual([]);
});

test("the end of a session is announced five minutes before, and renewed with the token of this page", async () => {
  let endsIn = 4.5 * 60_000;
  const asked = serve({
    "GET /api/v1/auth/session": () => json(session([], endsIn)),
    "POST /api/v1/auth/session/renew": () => {
      endsIn = 3_600_000;
      return json(session([], endsIn));
    },
  });
  await show(<App />, "/notifications");
  expect(await screen.findByRole("alert")).toHaveTextContent("5 minutes");
  await userEvent.click(screen.getByRole("button", { name: "Stay signed in" }));
  await waitFor(() => expect(screen.queryByRole("button", { name: "Stay signed in" })).toBeNull());
  const renewal = asked.find(({ path }) => path.endsWith("/renew"))!;
  expect(renewal.headers.get("X-CSRF-Token")).toBe("csrf-1");
  expect(asked.filter(({ method }) => method === "GET").every(({ headers }) => !headers.has("X-CSRF-Token"))).toBe(true);
});

test("a session that the server has ended leads to sign-in once, says so, and comes back", async () => {
  let isIn = true;
  serve({
    "GET /api/v1/auth/session": () => (isIn ? json(session(["teams:read"])) : json({ code: "UNAUTHENTICATED" }, 401)),
    "GET /api/v1/teams": () => {
      isIn = false;
      return json({ code: "UNAUTHENTICATED" }, 401);
    },
  });
  await show(<App />, "/teams?search=x");
  expect(await screen.findByRole("alert")).toHaveTextContent(/session/i);
  expect(screen.getByTestId("address")).toHaveTextContent("/login?return_to=%2Fteams%3Fsearch%3Dx");
});
