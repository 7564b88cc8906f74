import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, test } from "vitest";
import { RequestLog } from "../src/concepts/requests/RequestLog";
import { SessionProvider, useSessionQuery } from "../src/lib/session";
import { json, serve, session, show } from "./stage";

const call = (id: string, more: object = {}) => ({
  request_id: id, started_at: "2026-11-26T10:00:00Z", duration_us: 1_500_000, ttft_us: 200_000, endpoint: "/chat/completions", stream: true, status: "success", http_status: 200,
  error_code: null, error_message: null, key_hash: "k", key_alias: "my key", user_id: "u1", team_id: "t1", end_user: null, model: "granite", prompt_tokens: 30, completion_tokens: 12,
  pages: 0, cost_nano: 5_000_000_000, client_ip: "192.0.2.1", metadata: {}, source: "api", ...more,
});
const OPTIONS = { users: [{ id: "u1", name: "Uma User" }], teams: [{ id: "t1", name: "Platform team" }], keys: [], models: [], providers: [], deployments: [], endpoints: [] };

function Shown() {
  const held = useSessionQuery();
  return <SessionProvider session={held.data ?? null}>{held.data && <RequestLog scope="all" />}</SessionProvider>;
}

const served = () =>
  serve({
    "GET /api/v1/auth/session": session(["admin:requests:read"]),
    "GET /api/v1/usage/filter-options": OPTIONS,
    "GET /api/v1/usage/breakdown/error": { data: [] },
    "GET /api/v1/requests": (seen) =>
      json({ data: seen.query.get("sources") === "playground" ? [call("r2", { source: "playground" })] : [call("r1"), call("r2", { source: "playground" })], pagination: { limit: 50, next_cursor: null } }),
  });

const heads = () => screen.getAllByRole("columnheader").map((head) => head.textContent);

beforeEach(() => localStorage.clear());

test("each call says whether a program or the playground made it, and one of the two can be asked for", async () => {
  const asked = served();
  await show(<Shown />, "/admin/requests");
  const rows = (await screen.findAllByRole("row")).slice(1);
  expect(rows.map((row) => within(row).getByText(/^(API|Playground)$/).textContent)).toEqual(["API", "Playground"]);
  await userEvent.selectOptions(screen.getByLabelText("Source"), "playground");
  await waitFor(() => expect(asked.some((one) => one.path === "/api/v1/requests" && one.query.get("sources") === "playground")).toBe(true));
  await waitFor(() => expect(screen.getAllByRole("row")).toHaveLength(2));
});

test("the server sorts by time, cost and duration; the highest come first, and the address says so", async () => {
  const asked = served();
  await show(<Shown />, "/admin/requests");
  expect(await screen.findByRole("columnheader", { name: "Time" })).toHaveAttribute("aria-sort", "descending");
  expect(asked.find((one) => one.path === "/api/v1/requests")?.query.get("sort")).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Cost" }));
  await waitFor(() => expect(screen.getByTestId("address")).toHaveTextContent("sort=cost_nano&order=desc"));
  expect(screen.getByRole("columnheader", { name: "Cost" })).toHaveAttribute("aria-sort", "descending");
  await userEvent.click(screen.getByRole("button", { name: "Duration" }));
  await userEvent.click(screen.getByRole("button", { name: "Duration" }));
  await waitFor(() => expect(asked.at(-1)?.query.get("sort")).toBe("duration_us"));
  expect(asked.at(-1)?.query.get("order")).toBe("asc");
  expect(screen.queryByRole("button", { name: "Result" })).toBeNull();
});

test("the columns of the table are chosen, kept in this browser, and can be the usual ones again", async () => {
  served();
  const first = await show(<Shown />, "/admin/requests");
  await screen.findByRole("grid");
  expect(heads()).not.toContain("Team");
  await userEvent.click(screen.getByRole("button", { name: "Manage columns" }));
  let dialog = await screen.findByRole("dialog");
  for (const name of ["Team", "Endpoint", "Streaming", "Tokens"]) await userEvent.click(within(dialog).getByRole("checkbox", { name }));
  expect(within(dialog).queryByRole("checkbox", { name: "Time" })).toBeNull();
  await userEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  expect(heads()).toEqual(expect.arrayContaining(["Time", "Team", "Endpoint", "Streaming"]));
  expect(heads()).not.toContain("Tokens");
  expect(screen.getAllByText("Platform team")).toHaveLength(2);
  first.unmount();

  await show(<Shown />, "/admin/requests");
  await screen.findByRole("grid");
  expect(heads()).toContain("Team");
  await userEvent.click(screen.getByRole("button", { name: "Manage columns" }));
  dialog = await screen.findByRole("dialog");
  await userEvent.click(within(dialog).getByRole("button", { name: "Back to the usual columns" }));
  await userEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  expect(heads()).not.toContain("Team");
  expect(heads()).toContain("Tokens");
  expect(localStorage.getItem("litemaas.columns.requests.all")).toBeNull();
});

test("a row opens a panel with its details; another row takes its place, and Escape gives the focus back to the row", async () => {
  served();
  await show(<Shown />, "/admin/requests");
  const details = (id: string) => screen.getByRole("button", { name: `Details of ${id}` });
  const current = () => screen.getAllByRole("row").filter((row) => row.hasAttribute("aria-current"));
  await screen.findByRole("grid");
  await userEvent.click(details("r1"));
  const panel = screen.getByRole("region", { name: "Details of r1" });
  expect(within(panel).getByText("192.0.2.1")).toBeVisible();
  expect(within(panel).getByRole("heading", { name: "Details of r1" })).toHaveFocus();
  expect(current()).toEqual([details("r1").closest("tr")]);
  expect(screen.queryByRole("dialog")).toBeNull();

  await userEvent.click(details("r2"));
  expect(screen.queryByRole("region", { name: "Details of r1" })).toBeNull();
  expect(screen.getByRole("heading", { name: "Details of r2" })).toHaveFocus();
  expect(current()).toEqual([details("r2").closest("tr")]);

  await userEvent.keyboard("{Escape}");
  expect(screen.queryByRole("region", { name: /^Details of/ })).toBeNull();
  expect(details("r2")).toHaveFocus();
  expect(current()).toEqual([]);

  await userEvent.click(details("r1"));
  await userEvent.click(screen.getByRole("button", { name: "Close" }));
  expect(screen.queryByRole("region", { name: /^Details of/ })).toBeNull();
  expect(details("r1")).toHaveFocus();
});
