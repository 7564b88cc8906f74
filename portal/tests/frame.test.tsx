import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import { lean } from "../scripts/lean-css.mjs";
import { App } from "../src/app/App";
import { lastMonths } from "../src/features/chargeback/months";
import { dayAfter, daysAgo, isoDay, setZone } from "../src/lib/format";
import { toMoment } from "../src/lib/zones";
import { json, serve, session, show } from "./stage";

const page = { data: [], pagination: { page: 1, limit: 20, total: 0, total_pages: 0 } };
const room = (isWide: boolean) => vi.stubGlobal("matchMedia", () => ({ matches: isWide, addEventListener: () => undefined, removeEventListener: () => undefined }));

test("the menu names the page that is open, says how many requests wait, and stays closed once it was closed", async () => {
  room(true);
  localStorage.removeItem("litemaas.menu");
  serve({ "GET /api/v1/auth/session": session(["teams:read", "admin:subscriptions:read"]), "GET /api/v1/teams": page, "GET /api/v1/admin/subscriptions/stats": { pending: 3 } });
  const shown = await show(<App />, "/teams");
  expect(await screen.findByRole("link", { name: "Teams" })).toHaveAttribute("aria-current", "page");
  expect(await screen.findByText("requests for access waiting", { exact: false })).toBeInTheDocument();
  await userEvent.click(screen.getByRole("button", { name: "Menu" }));
  expect(screen.getByRole("button", { name: "Menu" })).toHaveAttribute("aria-expanded", "false");
  shown.unmount();
  await show(<App />, "/teams");
  expect(await screen.findByRole("button", { name: "Menu" })).toHaveAttribute("aria-expanded", "false");
  localStorage.removeItem("litemaas.menu");
});

test("a menu above the page goes with Escape, and with the page that was chosen", async () => {
  room(false);
  serve({ "GET /api/v1/auth/session": session(["teams:read"]), "GET /api/v1/teams": page });
  await show(<App />, "/notifications");
  const button = await screen.findByRole("button", { name: "Menu" });
  await screen.findByRole("heading", { level: 1 }); // a page that comes while somebody is in the menu takes the focus
  await userEvent.click(button);
  screen.getByRole("link", { name: "Teams" }).focus();
  await userEvent.keyboard("{Escape}");
  expect(button).toHaveAttribute("aria-expanded", "false");
  expect(button).toHaveFocus();
  await userEvent.click(button);
  await userEvent.click(screen.getByRole("link", { name: "Teams" }));
  await waitFor(() => expect(button).toHaveAttribute("aria-expanded", "false"));
});

test("without a connection a page says so instead of loading for ever, and can be tried again", async () => {
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
  let isAway = true;
  serve({
    "GET /api/v1/auth/session": session(["teams:read"]),
    "GET /api/v1/teams": () => {
      if (isAway) throw new TypeError("Failed to fetch");
      return json(page);
    },
  });
  await show(<App />, "/teams");
  expect(await screen.findByText("The server cannot be reached. Check your connection.")).toBeVisible();
  isAway = false;
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByText("No teams")).toBeVisible();
});

test("days and months are those of the installation, also where they begin at another hour", () => {
  const late = new Date("2026-10-31T23:30:00Z");
  setZone("UTC");
  expect([isoDay(late), lastMonths(2, late)]).toEqual(["2026-10-31", ["2026-10", "2026-09"]]);
  setZone("Europe/Berlin");
  expect([isoDay(late), lastMonths(2, late)]).toEqual(["2026-11-01", ["2026-11", "2026-10"]]);
  // In the night in which clocks go back, a day has 25 hours.
  expect(daysAgo(1, new Date("2026-10-26T00:30:00Z"))).toBe("2026-10-25");
  expect(toMoment(`${dayAfter("2026-10-25")}T00:00`, "Europe/Berlin")).toBe("2026-10-25T23:00:00.000Z");
  setZone("UTC");
});

test("styles of themes that nobody can choose are left out, and all others stay", () => {
  const css = `/* x */ @import "a.css"; :root { --a: 1 } :root:where(.pf-v6-theme-high-contrast) { --a: 2 }
    :where(:root:not(.pf-v6-theme-glass)) .pf-v6-c-page { color: red } .a, .pf-v6-c-nav.pf-m-horizontal .b { top: 0 }
    @media (min-width: 1px) { .pf-v6-theme-felt .c { top: 1px } } @media print { .d { top: 2px } } @font-face { font-family: "pf-v6-pficon"; src: url(x) }`;
  const left = lean(css).replace(/\s+/g, " ");
  expect(left).toContain('@import "a.css";');
  expect(left).toContain("--a: 1");
  expect(left).toContain(":not(.pf-v6-theme-glass)");
  expect(left).toContain(".a{");
  expect(left).toContain(".d{");
  for (const gone of ["--a: 2", ".b", "top: 1px", "1px) {", "pficon"]) expect(left).not.toContain(gone);
});
