import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { GrantMany } from "../src/features/admin-subscriptions/GrantMany";
import AdminUsers from "../src/features/admin-users/AdminUsers";
import { SessionProvider, type Session } from "../src/lib/session";
import { json, serve, session, show, type Seen } from "./stage";

const PAGE = { page: 1, limit: 100, total: 2, total_pages: 1 };
const MODELS = { data: [{ id: "m1", name: "granite" }, { id: "m2", name: "mistral" }], pagination: PAGE };
const PEOPLE = [
  { id: "u1", username: "ann", full_name: "Ann Smith", email: null, roles: ["user"], is_active: true, spent_nano: 0, limits: null, last_sign_in_at: null },
  { id: "u2", username: "bob", full_name: null, email: "bob@example.org", roles: ["user"], is_active: true, spent_nano: 0, limits: null, last_sign_in_at: null },
];
const found = ({ query }: Seen) => {
  const data = PEOPLE.filter((person) => person.username.includes(query.get("search") ?? ""));
  return json({ data, pagination: { ...PAGE, total: data.length } });
};
const OUTCOME = { successful: 3, created: 2, activated: 0, already_active: 1, failed: 1, errors: [{ user_id: "u2", team_id: null, model_id: "m2", code: "CONFLICT", message: "A policy does not let this holder use mistral." }] };
const MAY = ["admin:users:read", "admin:users:write", "admin:subscriptions:write"];
const TABLE = {
  "GET /api/v1/admin/models": MODELS,
  "GET /api/v1/admin/users": found,
  "GET /api/v1/teams": { data: [{ id: "t1", name: "lab", alias: null }], pagination: PAGE },
  "POST /api/v1/admin/subscriptions/grant": OUTCOME,
};

test("models go to people and teams that were searched for, and who could not get one is named", async () => {
  const asked = serve(TABLE);
  await show(<GrantMany close={() => undefined} />);
  expect(screen.getByRole("button", { name: "Grant" })).toBeDisabled();
  await userEvent.click(await screen.findByRole("checkbox", { name: "granite" }));
  await userEvent.click(screen.getByRole("checkbox", { name: "mistral" }));
  const people = within(await screen.findByRole("group", { name: "Search people" }));
  await userEvent.type(screen.getByRole("searchbox", { name: "Search people" }), "bob");
  await waitFor(() => expect(people.queryByRole("checkbox", { name: /ann/ })).toBeNull());
  await userEvent.click(people.getByRole("checkbox", { name: "bob (bob@example.org)" }));
  await userEvent.click(screen.getByRole("checkbox", { name: "lab" }));
  expect(screen.getByText("4 of at most 1,000 grants")).toBeVisible();
  await userEvent.type(screen.getByRole("textbox", { name: "Reason" }), " A course ");
  await userEvent.click(screen.getByRole("button", { name: "Grant" }));
  expect(await screen.findByText("2 new, 0 active again, 1 had it already")).toBeVisible();
  expect(screen.getByRole("alert")).toHaveTextContent("bob – mistral: A policy does not let this holder use mistral.");
  const sent = asked.find((one) => one.method === "POST")!;
  expect(sent.body).toEqual({ model_ids: ["m1", "m2"], user_ids: ["u2"], team_ids: ["t1"], reason: "A course" });
  expect(sent.headers.get("Idempotency-Key")).toBeTruthy();
});

test("more than a thousand grants are not sent, and somebody can be taken out again", async () => {
  serve(TABLE);
  const many = Array.from({ length: 1001 }, (_, n) => ({ id: `u${n}`, name: `person ${n}` }));
  await show(<GrantMany people={many} close={() => undefined} />);
  await userEvent.click(await screen.findByLabelText("granite"));
  expect(screen.getByText("1,001 grants; at most 1,000 can be made at once")).toBeVisible();
  expect(screen.getByText("Grant").closest("button")).toBeDisabled();
  await userEvent.click(screen.getByLabelText("Remove person 1000"));
  expect(screen.getByText("Grant").closest("button")).toBeEnabled();
});

test("the people who are ticked in the list are those that get models", async () => {
  const asked = serve(TABLE);
  await show(<SessionProvider session={session(MAY) as Session}><AdminUsers /></SessionProvider>);
  expect(screen.queryByRole("button", { name: /Grant models/ })).toBeNull();
  await userEvent.click(await screen.findByRole("checkbox", { name: "Select ann" }));
  await userEvent.click(screen.getByRole("button", { name: "Grant models to 1" }));
  const dialog = within(await screen.findByRole("dialog"));
  await userEvent.click(await dialog.findByRole("checkbox", { name: "granite" }));
  await userEvent.click(dialog.getByRole("button", { name: "Grant" }));
  await screen.findByText("2 new, 0 active again, 1 had it already");
  expect(asked.find((one) => one.method === "POST")!.body).toEqual({ model_ids: ["m1"], user_ids: ["u1"], team_ids: [] });
});
