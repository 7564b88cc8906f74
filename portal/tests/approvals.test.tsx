import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import AdminSubscriptions from "../src/features/admin-subscriptions/AdminSubscriptions";
import { SessionProvider, useSessionQuery } from "../src/lib/session";
import { serve, session, show } from "./stage";

const waiting = (id: string, keys: string[], more: object = {}) => ({
  id, status: "pending", status_reason: null, justification: "for a course", model: { id: "m1", name: "granite" }, holder: { kind: "user", id: `u-${id}`, name: `person ${id}`, email: null, full_name: null },
  asked_at: "2026-11-20T08:00:00Z", created_at: "2026-01-01T00:00:00Z", status_changed_at: "2026-11-20T08:00:00Z", keys: keys.map((name) => ({ id: name, name })), key_count: keys.length, ...more,
});
const PAGES = { 1: [waiting("a", ["laptop", "ci"]), waiting("b", [])], 2: [waiting("c", ["k1", "k2", "k3"], { key_count: 25 })] };

function Shown() {
  const held = useSessionQuery();
  return <SessionProvider session={held.data ?? null}>{held.data && <AdminSubscriptions />}</SessionProvider>;
}

function queue() {
  return serve({
    "GET /api/v1/auth/session": session(["admin:subscriptions:write"]),
    "GET /api/v1/admin/subscriptions": ({ query }) => new Response(JSON.stringify({ data: PAGES[query.get("page") === "2" ? 2 : 1], pagination: { page: 1, limit: 20, total: 30, total_pages: 2 } })),
    "GET /api/v1/admin/subscriptions/stats": { pending: 3, approved_today: 0, denied_today: 0 },
    "GET /api/v1/admin/models": { data: [] },
    "POST /api/v1/admin/subscriptions/approve": { successful: 2, failed: 0, errors: [] },
  });
}

test("whoever approves reads which keys get the model, also of requests on another page", async () => {
  const asked = queue();
  await show(<Shown />, "/admin/subscriptions");
  await userEvent.click(await screen.findByRole("checkbox", { name: "Select person a granite" }));
  await userEvent.click(screen.getByRole("button", { name: "Next page" }));
  await userEvent.click(await screen.findByRole("checkbox", { name: "Select person c granite" }));
  await userEvent.click(screen.getByRole("button", { name: "Approve 2 requests" }));
  const dialog = await screen.findByRole("dialog");
  expect(within(dialog).getByRole("row", { name: /person a.*granite.*laptop, ci/ })).toBeVisible();
  expect(within(dialog).getByRole("row", { name: /person c.*granite.*k1, k2, k3 \+ 22/ })).toBeVisible();
  await userEvent.click(within(dialog).getByRole("button", { name: "Approve" }));
  await waitFor(() => expect(asked.find((one) => one.method === "POST")?.body).toEqual({ subscription_ids: ["a", "c"] }));
});

test("requests are sorted and filtered by the day on which they were asked for", async () => {
  const asked = queue();
  await show(<Shown />, "/admin/subscriptions?asked_from=2026-11-01&asked_until=2026-11-02");
  await screen.findByText("no key yet");
  expect(Object.fromEntries(asked.find((one) => one.path === "/api/v1/admin/subscriptions")!.query)).toMatchObject({ asked_from: "2026-11-01T00:00:00.000Z", asked_until: "2026-11-03T00:00:00.000Z" });
  await userEvent.click(screen.getByRole("button", { name: "Requested" }));
  await waitFor(() => expect(asked.at(-1)!.query.get("sort")).toBe("asked_at"));
});
