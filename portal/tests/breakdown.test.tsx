import { screen, waitFor } from "@testing-library/react";
import { expect, test } from "vitest";
import { BreakdownTable } from "../src/concepts/usage/BreakdownTable";
import { serve, show } from "./stage";

const FIGURES = { requests: 3, prompt_tokens: 10, completion_tokens: 20, total_tokens: 30, cost_nano: 1_500_000_000, success_rate: 100 };
const WITHOUT = { ...FIGURES, id: "", name: "" };
const QUERY = { scope: "all", start_date: "2026-11-01", end_date: "2026-11-26", models: [], keys: [], users: [], teams: [], cost_centres: [], workshops: [] };
const answer = (data: object[]) => ({ "GET /api/v1/usage/breakdown/cost_centre": { data, rest: null, total: FIGURES, groups: data.length } });

test("usage is told by cost centre, with what has none", async () => {
  serve(answer([{ ...FIGURES, id: "R&D", name: "R&D" }, WITHOUT]));
  await show(<BreakdownTable dimension="cost_centre" query={QUERY} />);
  const table = await screen.findByRole("table", { name: "Per cost centre" });
  expect([...table.querySelectorAll("tbody tr")].map((row) => row.firstElementChild?.textContent)).toEqual(["R&D", "None", "Total"]);
});

test("where nobody has a cost centre, nothing is said of them", async () => {
  const asked = serve(answer([WITHOUT]));
  await show(<BreakdownTable dimension="cost_centre" query={QUERY} />);
  await waitFor(() => expect(asked.some((one) => one.path.endsWith("/cost_centre"))).toBe(true));
  expect(screen.queryByText("Per cost centre")).toBeNull();
});
