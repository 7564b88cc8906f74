import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { KeptAnswers } from "../src/features/settings/KeptAnswers";
import { SessionProvider, useSessionQuery } from "../src/lib/session";
import { serve, session, show } from "./stage";

const CACHE = { type: "valkey", ttl_s: 600, shared_by: "team", on_request: false, routes: ["/chat/completions"], reachable: true };

function Shown() {
  const held = useSessionQuery();
  return <SessionProvider session={held.data ?? null}>{held.data && <KeptAnswers />}</SessionProvider>;
}

const served = (cache: object, ...permissions: string[]) =>
  serve({
    "GET /api/v1/auth/session": session(permissions),
    "GET /api/v1/admin/answer-cache": cache,
    "POST /api/v1/admin/answer-cache/forget": () => new Response(null, { status: 204 }),
  });

test("an administrator sees where answers are kept and for whom, and has them forgotten after a question", async () => {
  const asked = served(CACHE, "admin:settings:read", "admin:settings:write");
  await show(<Shown />, "/admin/settings/general");
  expect(await screen.findByText("Valkey, for all gateway workers")).toBeVisible();
  expect(screen.getByText("Calls of one team, or of one person without a team")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Forget kept answers" }));
  expect(asked.some((one) => one.path.endsWith("/forget"))).toBe(false);
  await userEvent.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Forget kept answers" }));
  await waitFor(() => expect(asked.find((one) => one.path.endsWith("/forget"))?.body).toEqual({ answers: null }));
});

test("who may only read is offered nothing, and where there is no cache that is said", async () => {
  served(CACHE, "admin:settings:read");
  const first = await show(<Shown />, "/admin/settings/general");
  expect(await screen.findByText("Kept for")).toBeVisible();
  expect(screen.queryByRole("button", { name: "Forget kept answers" })).toBeNull();
  first.unmount();
  served({ ...CACHE, type: "none", reachable: null }, "admin:settings:read", "admin:settings:write");
  await show(<Shown />, "/admin/settings/general");
  expect(await screen.findByText(/Answers are not kept/)).toBeVisible();
  expect(screen.queryByRole("button", { name: "Forget kept answers" })).toBeNull();
});
