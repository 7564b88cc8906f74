import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { DataTable } from "../src/components/DataTable";
import { Search } from "../src/components/Filters";
import { useGet } from "../src/lib/api";
import { listQuery, useListState } from "../src/lib/listState";
import { json, serve, show } from "./stage";

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
