import { fireEvent, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { Route, Routes } from "react-router";
import { expect, test } from "vitest";
import Claim from "../src/features/claim/Claim";
import { Models, MoreSeats } from "../src/features/workshops/Changes";
import type { Event } from "../src/features/workshops/Workshop";
import { bodyOf, emptyDraft, mends, type Draft } from "../src/features/workshops/plan";
import { readRoster } from "../src/features/workshops/roster";
import type { Key } from "../src/lib/keys";
import { toLocal, toMoment } from "../src/lib/zones";
import { json, serve, show } from "./stage";

const key = (name: Key) => name;
const draft = (changes: Partial<Draft>): Draft => ({ ...emptyDraft("ann"), title: "T", zone: "Europe/Berlin", starts: "2030-03-07T14:00", ends: "2030-03-07T18:00", models: ["m"], pot_nano: 5e9, ...changes });

test("a time is that of the chosen zone's clocks, in winter and in summer, and comes back", () => {
  expect(toMoment("2030-03-07T14:00", "Europe/Berlin")).toBe("2030-03-07T13:00:00.000Z");
  expect(toMoment("2030-07-07T14:00", "Europe/Berlin")).toBe("2030-07-07T12:00:00.000Z");
  expect(toMoment("2030-03-10T03:30", "America/New_York")).toBe("2030-03-10T07:30:00.000Z");
  expect(toLocal("2030-07-07T12:00:00Z", "Asia/Kolkata")).toBe("2030-07-07T17:30");
  expect(toMoment("", "UTC")).toBe("");
});

test("of a list each line is a person; empty cells and doubles are named with their line", () => {
  const { people, mistakes } = readRoster('Ada;x\n"Doe, ""J"""\n\n,nobody\nAda\r\n');
  expect(people).toEqual(["Ada", 'Doe, "J"']);
  expect(mistakes.map(({ line, kind }) => [line, kind])).toEqual([[4, "roster_empty"], [5, "roster_twice"]]);
});

test("each step says at the field what must be mended", () => {
  expect(Object.keys(mends(emptyDraft(""), "step_basics", key))).toEqual(["title", "organisers", "starts", "ends"]);
  expect(mends(draft({ ends: "2030-03-07T13:00" }), "step_basics", key)).toEqual({ ends: "after_the_start" });
  expect(mends(draft({ opens: "2030-03-07T13:00" }), "step_basics", key)).toEqual({ opens: "within_the_workshop" });
  expect(mends(draft({ seats: 2_001 }), "step_seats", key)).toEqual({ seats: "allowed_range" });
  expect(mends(draft({ claiming: "roster", roster: "a\na" }), "step_seats", key)).toEqual({ roster: "" });
  expect(mends(draft({ models: [] }), "step_models", key)).toEqual({ models: "pick_a_model" });
  expect(mends(draft({ seat_nano: 6e9 }), "step_money", key)).toEqual({ seat_cap: "not_above_pot" });
  expect(mends(draft({}), "step_basics", key)).toEqual({});
});

test("a list of people becomes seats with codes of their own", () => {
  const body = bodyOf(draft({ claiming: "roster", roster: "Ada\nGrace", organisers: " ann , bob ,", closes: "2030-03-07T15:00" }));
  expect(body).toMatchObject({ seats: 2, labels: ["Ada", "Grace"], claim_mode: "seat_codes", organisers: ["ann", "bob"] });
  expect(body).toMatchObject({ starts_at: "2030-03-07T13:00:00.000Z", claim_opens_at: null, claim_closes_at: "2030-03-07T14:00:00.000Z" });
});

const workshop = (claiming: string) => ({
  title: "Prompting", description: "", claiming, needs: "shared_code", time_zone: "UTC", starts_at: "2030-01-01T00:00:00Z", ends_at: "2030-01-02T00:00:00Z",
  claim_opens_at: "2030-01-01T00:00:00Z", claim_closes_at: "2030-01-02T00:00:00Z", now: "2030-01-01T01:00:00Z", models: [{ name: "granite", type: "chat" }],
});
const seat = { seat: "seat-0001", nickname: null, key: "sk-mine", base_url: "http://gateway", models: [{ name: "granite", type: "chat" }], ends_at: "2030-01-02T00:00:00Z", announcement: "", is_paused: false, spent_nano: 0, budget_nano: null, rpm_limit: null };
const nothing = () => json({ code: "NOT_FOUND", detail: "no" }, 404);
const page = (
  <Routes>
    <Route path="/claim/:id" element={<Claim />} />
  </Routes>
);

test("a wrong code is said at the field, and the right one shows the key", async () => {
  let isRight = false;
  serve({
    "GET /api/v1/claims/ws-1": workshop("open"),
    "GET /api/v1/claims/ws-1/seat": () => (isRight ? json(seat) : nothing()),
    "POST /api/v1/claims/ws-1": () => (isRight ? json(seat, 201) : json({ code: "WRONG_CODE", detail: "no" }, 403)),
  });
  await show(page, "/claim/ws-1");
  await userEvent.type(await screen.findByLabelText(/^Code/), "AAAAA-AAAAA");
  await userEvent.click(screen.getByRole("button", { name: "Get my key" }));
  expect(await screen.findByText("This code is not right, or it was used already.")).toBeVisible();
  expect(screen.getByLabelText(/^Code/)).toHaveAttribute("aria-invalid", "true");
  isRight = true;
  await userEvent.click(screen.getByRole("button", { name: "Get my key" }));
  expect(await screen.findByText("sk-mine")).toBeVisible();
  expect(JSON.stringify({ ...localStorage })).not.toContain("sk-mine");
});

for (const [claiming, words] of [["full", "All seats are taken"], ["ended", "has ended"], ["not_open", "Claiming opens"], ["paused", "is paused"], ["closed", "cannot be claimed any more"]] as const)
  test(`who comes when it is ${claiming} reads why there is no seat`, async () => {
    serve({ "GET /api/v1/claims/ws-1": workshop(claiming), "GET /api/v1/claims/ws-1/seat": nothing });
    await show(page, "/claim/ws-1");
    expect(await screen.findByText(new RegExp(words))).toBeVisible();
    expect(screen.queryByRole("button", { name: "Get my key" })).toBeNull();
  });

test("an address without a workshop says so, and search engines are told to stay away", async () => {
  serve({ "GET /api/v1/claims/ws-1": nothing, "GET /api/v1/claims/ws-1/seat": nothing });
  await show(page, "/claim/ws-1");
  expect(await screen.findByRole("heading", { name: "There is no workshop at this address" })).toBeVisible();
  await waitFor(() => expect(document.querySelector("meta[name=robots]")).toHaveAttribute("content", "noindex"));
});

const event = { guid: "ws-1", seats: 1_998, claimed: 4, pot_nano: 5e9, claim_mode: "seat_codes", models: ["granite", "old"], limits: {}, time_zone: "UTC" } as unknown as Event;

test("seats are added by number or for people by name, and never more than a workshop holds", async () => {
  const asked = serve({ "POST /api/v1/workshops/ws-1/seats": event });
  await show(<MoreSeats event={event} close={() => undefined} />);
  expect(await screen.findByText(/never spend more than \$5\.00/)).toBeVisible();
  const button = screen.getByRole("button", { name: "Add seats" });
  fireEvent.change(screen.getByLabelText(/Number of seats/), { target: { value: "3" } });
  expect(button).toBeDisabled();
  expect(screen.getByText("From 1 to 2")).toBeVisible();
  fireEvent.change(screen.getByLabelText(/For whom/), { target: { value: "Mia\nNoa" } });
  await userEvent.click(button);
  await waitFor(() => expect(asked.find(({ method }) => method === "POST")?.body).toEqual({ seats: 2, labels: ["Mia", "Noa"] }));
  expect(asked.find(({ method }) => method === "POST")!.headers.get("Idempotency-Key")).toBeTruthy();
});

test("models are given and taken; what is taken away is said before", async () => {
  const asked = serve({
    "GET /api/v1/admin/models": { data: [{ name: "granite", health: "healthy" }, { name: "new", health: "unknown" }], pagination: { page: 1, limit: 100, total: 2, total_pages: 1 } },
    "PATCH /api/v1/workshops/ws-1": event,
  });
  await show(<Models event={event} close={() => undefined} />);
  await userEvent.click(await screen.findByRole("checkbox", { name: /new/ }));
  await userEvent.click(screen.getByRole("checkbox", { name: /old/ }));
  expect(screen.getByText("Calls to old are refused from then on.")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  await waitFor(() => expect(asked.find(({ method }) => method === "PATCH")?.body).toEqual({ models: ["granite", "new"] }));
});
