import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import { DataTable } from "../src/components/DataTable";
import { Search } from "../src/components/Filters";
import { UserFilter } from "../src/concepts/people/filters";
import { ManyKeys } from "../src/features/admin-users/ManyKeys";
import { UserKeys } from "../src/features/admin-users/UserKeys";
import { useGet } from "../src/lib/api";
import { listQuery, useListState } from "../src/lib/listState";
import { SessionProvider, useSessionQuery } from "../src/lib/session";
import { json, serve, session, show } from "./stage";

interface Row {
  id: string;
  name: string;
}

function List() {
  const list = useListState();
  const found = useGet("/api/v1/teams", { query: listQuery(list) as never }, { keep: true });
  return (
    <>
      <Search list={list} />
      <DataTable<Row> caption="teams" query={found as never} list={list} rowKey={(row) => row.id} empty={{ title: "Nobody" }} columns={[{ title: "Name", sort: "name", cell: (row) => row.name }]} />
    </>
  );
}

const answer = (name: string, total = 45) => json({ data: [{ id: name, name }], pagination: { page: 1, limit: 20, total } });

test("search, order and page stand in the address, and a new search goes to page 1", async () => {
  const asked = serve({ "GET /api/v1/teams": () => answer("lab") });
  await show(<List />, "/teams?page=2&sort=name&order=desc");
  await screen.findByText("lab");
  expect(Object.fromEntries(asked.at(-1)!.query)).toMatchObject({ page: "2", sort: "name", order: "desc" });
  await userEvent.type(screen.getByRole("searchbox"), "course");
  await waitFor(() => expect(screen.getByTestId("address")).toHaveTextContent("/teams?sort=name&order=desc&search=course"));
  await waitFor(() => expect(asked.at(-1)!.query.get("page")).toBe("1"));
  expect(asked.length).toBeLessThan(4); // not one per keystroke
  expect(screen.getByRole("searchbox")).toHaveFocus();
});

test("a failure says why, with the request id, and can be tried again", async () => {
  let isBroken = true;
  serve({ "GET /api/v1/teams": () => (isBroken ? json({ code: "INTERNAL_ERROR", detail: "x", request_id: "req-7" }, 500) : answer("lab")) });
  await show(<List />);
  const failure = await screen.findByRole("alert");
  expect(failure).toHaveTextContent("req-7");
  isBroken = false;
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByText("lab")).toBeVisible();
});

test("one person out of thousands narrows a list: the server searches, the address keeps the id, and the filter says the name", async () => {
  const asked = serve({
    "GET /api/v1/admin/users": ({ query }) => json({ data: [{ id: "u1", username: "ann", full_name: "Ann Other" }].filter(() => !query.get("search") || query.get("search") === "an"), pagination: { page: 1, limit: 8, total: 1, total_pages: 1 } }),
    "GET /api/v1/admin/users/u1": { id: "u1", username: "ann" },
  });
  const Narrowed = () => <UserFilter list={useListState()} name="actor" />;
  await show(<Narrowed />, "/admin/audit?page=3");
  expect(asked).toEqual([]);
  await userEvent.click(screen.getByLabelText("Person: All"));
  await userEvent.type(screen.getByRole("searchbox"), "an");
  await waitFor(() => expect(asked.map((one) => one.query.get("search"))).toContain("an"));
  expect(asked.map((one) => one.query.get("search"))).not.toContain("a");
  await userEvent.click(await screen.findByRole("radio", { name: "ann (Ann Other)" }));
  expect(screen.getByTestId("address")).toHaveTextContent("/admin/audit?actor=u1");
  expect(await screen.findByLabelText("Person: ann")).toBeInTheDocument();
  await userEvent.click(screen.getByRole("radio", { name: "All" }));
  expect(screen.getByTestId("address")).toHaveTextContent(/^\/admin\/audit$/);
});

test("many keys are ended by one call with a reason, and what refused is named", async () => {
  const errors = [{ key_id: "k2", code: "INVALID_TRANSITION", message: "A revoked key cannot change." }];
  const asked = serve({ "POST /api/v1/admin/keys/bulk": { successful: 1, failed: 1, errors } });
  const done = vi.fn();
  await show(<ManyKeys act="revoke" ids={["k1", "k2"]} close={() => undefined} done={done} />);
  const revoke = screen.getByRole("button", { name: "Revoke" });
  await userEvent.click(revoke);
  expect(asked).toEqual([]);
  await userEvent.type(screen.getByLabelText(/Reason/), "End of the course");
  await userEvent.click(revoke);
  expect(await screen.findByText("A revoked key cannot change.")).toBeVisible();
  expect(asked[0]!.body).toEqual({ action: "revoke", key_ids: ["k1", "k2"], reason: "End of the course" });
  expect(done).not.toHaveBeenCalled();
  expect(revoke).toBeDisabled(); // what was done is not sent again
});

const KEY = { id: "k1", name: "laptop", description: "", prefix: "sk-abcd", last4: "wxyz", state: "active", blocked_by: null, models: [], spent_nano: 5, max_budget_nano: 5, expires_at: null, last_used_at: null, request_count: 0, owner: { id: "u1", username: "uma" }, team: null, old_secret_valid_until: null };

test("keys are sorted by spend with the highest first, and narrowed to those whose budget is used up; clearing stays on the tab", async () => {
  const asked = serve({
    "GET /api/v1/auth/session": session(["admin:api_keys:read"]),
    "GET /api/v1/admin/keys": ({ query }) => json({ data: query.get("used_up") === "false" ? [] : [KEY], pagination: { page: 1, limit: 20, total: 1, total_pages: 1 } }),
  });
  const Shown = () => {
    const held = useSessionQuery();
    return <SessionProvider session={held.data ?? null}>{held.data && <UserKeys id="u1" />}</SessionProvider>;
  };
  await show(<Shown />, "/admin/users/u1?tab=keys");
  await userEvent.click(await screen.findByRole("button", { name: "Spend" }));
  await userEvent.selectOptions(screen.getByRole("combobox", { name: "Budget" }), "Used up");
  await waitFor(() => expect(Object.fromEntries(asked.at(-1)!.query)).toEqual({ page: "1", limit: "20", user_id: "u1", sort: "spend", order: "desc", used_up: "true" }));
  await userEvent.click(screen.getByRole("button", { name: "Last used" }));
  await waitFor(() => expect(asked.at(-1)!.query.get("sort")).toBe("last_used_at"));
  await userEvent.selectOptions(screen.getByRole("combobox", { name: "Budget" }), "Not used up");
  await userEvent.click(await screen.findByRole("button", { name: "Clear filters" }));
  expect(screen.getByTestId("address")).toHaveTextContent(/^\/admin\/users\/u1\?tab=keys$/);
});
