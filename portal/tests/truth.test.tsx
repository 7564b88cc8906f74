import { render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import { CopyButton } from "../src/components/Copy";
import Charts from "../src/components/charts/Charts";
import { PlainTable } from "../src/components/PlainTable";
import { Boundary, Loaded } from "../src/components/States";
import { Status } from "../src/components/Status";
import Toasts from "../src/components/Toasts";
import { priceWord } from "../src/concepts/models/words";
import { isoWeek, shade } from "../src/concepts/usage/Heat";
import { Trend } from "../src/concepts/usage/Trend";
import { joined, many } from "../src/concepts/usage/range";
import { costOf } from "../src/features/playground/cost";
import type { Key } from "../src/lib/keys";
import { compact, milliseconds, money, percent, setCurrency, setLocale } from "../src/lib/format";
import type { ListState } from "../src/lib/listState";
import { tell } from "../src/lib/toasts";
import { toCsv } from "../src/lib/csv";
import { show } from "./stage";

const key = (name: Key) => name;

test("small money keeps two digits that say something, in the currency and language of the reader", () => {
  setLocale("en");
  expect([money(22_000), money(0), money(null), money(1_234_560_000_000)]).toEqual(["$0.000022", "$0.00", "–", "$1,234.56"]);
  setCurrency("JPY");
  expect(money(1_234_560_000_000)).toBe("¥1,235");
  setCurrency("EUR");
  setLocale("de");
  expect(money(1_234_560_000_000).replaceAll("\u00a0", " ")).toBe("1.234,56 €");
  setCurrency("USD");
  setLocale("en");
  expect([compact(11_540), percent(99.95, 2), percent(null)]).toEqual(["11.5K", "99.95%", "–"]);
  expect(milliseconds(51)).toBe("51\u00a0ms");
});

test("zero is free, what nobody priced is a dash", () => {
  expect([priceWord(key, 0), priceWord(key, null), priceWord(key, 150_000_000)]).toEqual(["free", "–", "$0.15"]);
});

test("weeks are told apart by their own year, and equal days have one shade", () => {
  expect(isoWeek("2026-01-01")).toEqual({ week: "2026-W01", weekday: 3 });
  expect(isoWeek("2027-01-01").week).toBe("2026-W53");
  expect(isoWeek("2024-12-30").week).toBe("2025-W01");
  expect([shade(0, 1, 9), shade(5, 5, 5), shade(1, 1, 9), shade(9, 1, 9), shade(1000, 1, 1000)]).toEqual([0, 3, 1, 5, 5]);
});

test("dearer is never shown as good, and from nothing there is no percentage", async () => {
  const change = (percentage_change: number | null, previous: number | null = 1) => [{ metric: "cost_nano", current: 2, previous, percentage_change, direction: "up" as const }];
  const { container, rerender } = await show(<Trend trends={change(100)} metric="cost_nano" />);
  await waitFor(() => expect(container.querySelector("small")).toHaveClass("lm-fair"));
  expect(container.querySelector(".lm-good")).toBeNull();
  rerender(<></>);
  await show(<Trend trends={change(null, 0)} metric="cost_nano" />);
  expect(await screen.findByText("new")).toBeVisible();
});

test("every status has its own word; what is not known is shown as it is", async () => {
  await show(
    <>
      <Status value="cancelled" />
      <Status value="expired" />
      <Status value="tomorrow" />
    </>,
  );
  expect(await screen.findByText("Cancelled")).toBeVisible();
  expect(screen.getByText("Expired")).toBeVisible();
  expect(screen.getByText("tomorrow")).toBeVisible();
});

test("what a call costs is reckoned with the prices of the catalogue", () => {
  const pricing = { input_per_million: 150_000_000, output_per_million: 600_000_000, request_per_million: 0 } as never;
  expect(costOf({ prompt_tokens: 1_000, completion_tokens: 500 }, pricing)).toBe(450_000);
  expect(costOf({ prompt_tokens: 1, completion_tokens: 1 }, undefined)).toBeNull();
});

test("a clipboard that refuses is said", async () => {
  vi.stubGlobal("navigator", { ...navigator, clipboard: { writeText: () => Promise.reject(new Error("no")) } });
  document.execCommand = () => false;
  await show(<CopyButton text="x" label="key" />);
  await userEvent.click(await screen.findByRole("button", { name: "Copy key" }));
  expect(await screen.findByText(/Copying was refused/)).toBeVisible();
  vi.unstubAllGlobals();
});

test("a load that failed never looks like an empty list", async () => {
  await show(<Loaded query={{ data: undefined, error: new Error("x"), refetch: () => undefined }}>{() => <p>empty</p>}</Loaded>);
  expect(await screen.findByRole("alert")).toHaveTextContent("This could not be loaded");
  expect(screen.queryByText("empty")).toBeNull();
});

test("one failing widget does not take the page down", async () => {
  const quiet = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const Broken = () => {
    throw new Error("broken");
  };
  await show(
    <>
      <Boundary>
        <Broken />
      </Boundary>
      <p>still here</p>
    </>,
  );
  expect(await screen.findByText("still here")).toBeVisible();
  expect(screen.getByRole("button", { name: "Try again" })).toBeVisible();
  quiet.mockRestore();
});

test("what needs an answer stays until it is closed", async () => {
  tell("danger", "It did not work");
  await show(<Toasts />);
  expect(await screen.findByText("It did not work")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: /It did not work/ }));
  await waitFor(() => expect(screen.queryByText("It did not work")).toBeNull());
});

test("each cell of a small table says what it is, and the roles stay when it is laid out as blocks", () => {
  render(<PlainTable caption="c" head={["name", "cost"]} rows={[["a", "$1"]]} />);
  const table = screen.getByRole("table");
  expect(within(table).getByRole("cell")).toHaveAttribute("data-label", "cost");
  expect(within(table).getByRole("rowheader")).toHaveTextContent("a");
});

test("an export opens in a spreadsheet without running anything", () => {
  expect(toCsv([["=1+1", "+a", "-2", "@x", -2, 'a "b", c']])).toBe(`'=1+1,'+a,'-2,'@x,-2,"a ""b"", c"\r\n`);
});

test("several values stand in one place of the address, commas and all", () => {
  const values = ["a,b", "ü/1", "c"];
  expect(many({ filters: { models: joined(values) } } as unknown as ListState, "models")).toEqual(values);
});

test("arrow keys tell a chart point by point, for those who use no mouse", async () => {
  const lines = [{ name: "requests", points: [{ x: "Mon", y: 3 }, { x: "Tue", y: null }] }];
  const { container } = await show(<Charts kind="lines" label="Usage" lines={lines} showX={String} showY={(y) => `${y} calls`} />);
  const chart = await screen.findByRole("group", { name: "Usage" });
  chart.focus();
  await userEvent.keyboard("{ArrowRight}");
  expect(container.querySelector(".lm-point")).toHaveTextContent("Mon: 3 calls");
  await userEvent.keyboard("{ArrowRight}{ArrowRight}");
  expect(container.querySelector(".lm-point")).toHaveTextContent("Tue: –");
  await userEvent.keyboard("{Escape}");
  expect(container.querySelector(".lm-point")).toBeEmptyDOMElement();
});
