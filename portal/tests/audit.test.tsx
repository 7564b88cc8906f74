import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { actionWord, typeWord } from "../src/concepts/audit/words";
import { placeOf } from "../src/concepts/audit/places";
import Audit from "../src/features/audit/Audit";
import { loadTexts, say } from "../src/lib/i18n";
import { SessionProvider, useSessionQuery } from "../src/lib/session";
import { serve, session, show } from "./stage";

const row = (id: number, action: string, type: string, subject: object | null, more: object = {}) => ({ id, at: "2026-11-01T00:00:00Z", actor: "u1", actor_kind: "user", actor_name: "Uma", action, type, resource_id: `o${id}`, resource_name: `thing ${id}`, success: true, error_code: null, detail: {}, address: null, user_agent: null, request_id: null, subject, ...more });
const ROWS = [row(1, "key.rotated", "key", { kind: "key", id: "k1", user_id: "u 2", name: "my laptop" }), row(2, "team.archived", "team", null), row(3, "new.thing", "new", null), row(4, "settings.updated", "settings", null, { resource_id: "currency", resource_name: null })];

function Shown() {
  const held = useSessionQuery();
  return <SessionProvider session={held.data ?? null}>{held.data && <Audit />}</SessionProvider>;
}

test("entries are told in words, and lead to the thing where it is there; what has no words stays as it is", async () => {
  const asked = serve({
    "GET /api/v1/auth/session": session(["admin:settings:read"]),
    "GET /api/v1/admin/audit": { data: ROWS, next_cursor: null },
    "GET /api/v1/admin/audit/actions": { data: ["key.rotated", "new.thing", "key.create"] },
    "GET /api/v1/admin/audit/types": { data: ["key", "team", "new"] },
  });
  await show(<Shown />, "/admin/audit");
  const table = await screen.findByRole("grid", { name: "Audit log" });
  expect(within(table).getByText("API key: rotated")).toHaveAttribute("title", "key.rotated");
  expect(within(table).getByText("Team: archived")).toBeVisible();
  expect(within(table).getByText("new.thing")).toBeVisible();
  expect(within(table).getByRole("link", { name: "thing 1" })).toHaveAttribute("href", "/admin/users/u%202?tab=keys&search=my+laptop");
  expect(within(table).getByRole("link", { name: "currency" })).toHaveAttribute("href", "/admin/settings/currency");
  expect(within(table).queryByRole("link", { name: "thing 2" })).toBeNull();
  const filter = screen.getByRole("combobox", { name: "Action" });
  expect(within(filter).getAllByRole("option").map((one) => one.textContent)).toEqual(["All", "API key: created", "API key: rotated", "new.thing"]);
  await userEvent.selectOptions(screen.getByRole("combobox", { name: "Category" }), "API key");
  await waitFor(() => expect(asked.some((one) => one.path.endsWith("/actions") && one.query.get("type") === "key")).toBe(true));
});

test("who may not see settings gets no link to them", () => {
  expect(placeOf({ type: "settings", resource_id: "currency", subject: null }, () => false)).toBeNull();
});

test("each language has its own words and its own colon", async () => {
  await Promise.all((["de", "fr", "ja"] as const).map((language) => loadTexts("audit", language)));
  expect(actionWord((key, values) => say("de", key, values), "key.rotated")).toBe("API-Schlüssel: erneuert");
  expect(actionWord((key, values) => say("fr", key, values), "model.publish")).toBe("Modèle\u00a0: publication");
  expect(actionWord((key, values) => say("ja", key, values), "backup.restore.cancelled")).toBe("バックアップ：復元, 取り消し");
  expect(typeWord((key, values) => say("de", key, values), "sign-in")).toBe("Anmeldung");
});
