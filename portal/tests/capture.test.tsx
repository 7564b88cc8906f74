import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import Capture from "../src/features/settings/Capture";
import { SessionProvider, type Session } from "../src/lib/session";
import { json, serve, session, show, type Seen } from "./stage";

const HOUR_MS = 3_600_000;
const soon = new Date(Date.now() + 5 * HOUR_MS).toISOString();
const RUNNING = { id: "c1", key_id: "k1", team_id: null, name: "laptop", reason: "Ticket 4711", until: soon, active: true, payloads: 2, created_at: new Date().toISOString(), created_by: "admin" };
const CALL = { request_id: "r1", at: new Date().toISOString(), key_id: "k1", model: "granite", endpoint: "/chat/completions", status_code: 200, request: '{"messages":[]}', request_bytes: 70_000, answer: null, answer_bytes: 12 };
const PAGE = { page: 1, limit: 20, total: 1, total_pages: 1 };

const table = (data: object[] = [RUNNING]) => ({
  "GET /api/v1/admin/settings": { retention: { captured_payload_days: 7 } },
  "GET /api/v1/admin/payload-capture": { data, pagination: { ...PAGE, total: data.length } },
  "GET /api/v1/admin/keys": { data: [{ id: "k1", name: "laptop", key_name: "sk-...1", owner: { username: "ann" } }], pagination: PAGE },
  "GET /api/v1/teams": { data: [{ id: "t1", name: "lab", alias: null }], pagination: PAGE },
  "GET /api/v1/admin/payload-capture/c1/payloads": { data: [CALL], next_cursor: null },
});
const page = (permissions: string[]) => (
  <SessionProvider session={session(permissions) as Session}>
    <Capture />
  </SessionProvider>
);
const WRITER = ["admin:settings:read", "admin:settings:write"];

test("what protects people is said, and a recording needs a subject, an end and a reason", async () => {
  const asked = serve({ ...table([]), "POST /api/v1/admin/payload-capture": () => json(RUNNING, 201) });
  await show(page(WRITER));
  expect(await screen.findByText("No calls are recorded")).toBeVisible();
  expect(screen.getByText(/stored encrypted, without credentials, and deleted after 7 days/)).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Record calls" }));
  const dialog = within(await screen.findByRole("dialog"));
  await userEvent.click(dialog.getByRole("button", { name: "Record calls" }));
  expect(await dialog.findAllByText("This field is required")).toHaveLength(2);
  expect(asked.some((one) => one.method === "POST")).toBe(false);
  await userEvent.click(await dialog.findByRole("checkbox", { name: "laptop (ann)" }));
  await userEvent.type(dialog.getByRole("textbox", { name: /Reason/ }), "Ticket 4711");
  await userEvent.click(dialog.getByRole("button", { name: "Record calls" }));
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  const { body } = asked.find((one) => one.method === "POST") as Seen & { body: { until: string } };
  expect(body).toMatchObject({ key_id: "k1", reason: "Ticket 4711" });
  expect(Date.parse(body.until) - Date.now()).toBeGreaterThan(23 * HOUR_MS);
  expect(Date.parse(body.until) - Date.now()).toBeLessThanOrEqual(24 * HOUR_MS);
});

test("of a team the team is named, and a key that was chosen before is forgotten", async () => {
  const asked = serve({ ...table([]), "POST /api/v1/admin/payload-capture": () => json({ code: "ALREADY_EXISTS", detail: "Calls of this key or team are captured already." }, 409) });
  await show(page(WRITER));
  await userEvent.click(await screen.findByRole("button", { name: "Record calls" }));
  const dialog = within(await screen.findByRole("dialog"));
  await userEvent.click(await dialog.findByRole("checkbox", { name: "laptop (ann)" }));
  await userEvent.selectOptions(dialog.getByRole("combobox", { name: "Whose calls" }), "team");
  await userEvent.click(await dialog.findByRole("checkbox", { name: "lab" }));
  await userEvent.type(dialog.getByRole("textbox", { name: /Reason/ }), "Ticket 4711");
  await userEvent.click(dialog.getByRole("button", { name: "Record calls" }));
  expect(await dialog.findByRole("alert")).toHaveTextContent("captured already");
  expect(asked.find((one) => one.method === "POST")!.body).toMatchObject({ team_id: "t1" });
  expect(asked.find((one) => one.method === "POST")!.body).not.toHaveProperty("key_id");
});

test("nothing of what people wrote is fetched before somebody has read that it is audited", async () => {
  const asked = serve(table());
  await show(page(["admin:settings:read"]));
  const read = () => asked.some((one) => one.path.endsWith("/payloads"));
  expect(await screen.findByText("Ticket 4711")).toBeVisible();
  expect(screen.queryByRole("button", { name: "Record calls" })).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: /laptop/ }));
  expect(screen.queryByRole("menuitem", { name: "End and delete" })).toBeNull();
  await userEvent.click(await screen.findByRole("menuitem", { name: "Read calls" }));
  expect(await screen.findByText(/The audit log keeps that you looked/)).toBeVisible();
  expect(read()).toBe(false);
  await userEvent.click(screen.getByRole("button", { name: "Read calls" }));
  await userEvent.click(await screen.findByRole("button", { name: "Details of r1" }));
  expect(await screen.findByText('{"messages":[]}')).toBeVisible();
  expect(screen.getByText(/cannot be read/)).toBeVisible();
  expect(screen.getByText(/70,000 bytes in all/)).toBeVisible();
  expect(read()).toBe(true);
});

test("a recording is ended after a question that says what is deleted and what stays", async () => {
  const asked = serve({ ...table(), "DELETE /api/v1/admin/payload-capture/c1": () => new Response(null, { status: 204 }) });
  await show(page(WRITER));
  await userEvent.click(await screen.findByRole("button", { name: /laptop/ }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "End and delete" }));
  const dialog = within(await screen.findByRole("dialog"));
  expect(dialog.getByText(/The audit log keeps who recorded/)).toBeVisible();
  await userEvent.click(dialog.getByRole("button", { name: "End and delete" }));
  await waitFor(() => expect(asked.some((one) => one.method === "DELETE")).toBe(true));
});
