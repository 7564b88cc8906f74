import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { SessionProvider, useSessionQuery } from "../src/lib/session";
import Subscriptions from "../src/features/subscriptions/Subscriptions";
import { json, serve, session, show } from "./stage";

const pages = (data: object[]) => ({ data, pagination: { page: 1, limit: 12, total: data.length, total_pages: 1 } });
const MODEL = { id: "m1", name: "granite", type: "chat", context_length: 4096, pricing: null, capabilities: [], status: "available", restricted_access: false, display_name: null };
const HELD = { id: "s1", status: "active", model: MODEL, holder: { kind: "user", id: "u1", name: "uma", full_name: null, email: null }, status_changed_at: "2026-11-01T00:00:00Z", expires_at: null, quota_requests: null, quota_tokens: null };
const key = (id: string, models: string[], more: object = {}) => ({ id, name: id, governed: true, team: null, models: models.map((name) => ({ name })), ...more });

function Shown() {
  const held = useSessionQuery();
  return <SessionProvider session={held.data ?? null}>{held.data && <Subscriptions />}</SessionProvider>;
}

test("one's subscriptions are searched and sorted by the server, and the address keeps it", async () => {
  const asked = serve({ "GET /api/v1/auth/session": session([]), "GET /api/v1/subscriptions": pages([HELD]) });
  await show(<Shown />, "/subscriptions?page=2");
  await screen.findByRole("link", { name: "granite" });
  await userEvent.selectOptions(screen.getByLabelText("Sort by"), "Name");
  await userEvent.type(screen.getByRole("searchbox", { name: "Search subscriptions" }), "gran");
  await waitFor(() => expect(Object.fromEntries(asked.at(-1)!.query)).toEqual({ page: "1", limit: "12", search: "gran", sort: "model_name", order: "asc" }));
  expect(screen.getByTestId("address")).toHaveTextContent("/subscriptions?sort=model_name&order=asc&search=gran");
  await userEvent.selectOptions(screen.getByLabelText("Sort by"), "Newest");
  await waitFor(() => expect(screen.getByTestId("address")).toHaveTextContent(/subscriptions\?search=gran$/));
});

test("a model comes onto keys that have others, over what they are at that moment; keys that cannot get it are not offered", async () => {
  let models = ["mistral"];
  let version = 1;
  const asked = serve({
    "GET /api/v1/auth/session": session(["api_keys:write"]),
    "GET /api/v1/subscriptions": pages([HELD]),
    "GET /api/v1/keys": pages([key("laptop", models), key("has it", ["granite"]), key("of a team", [], { team: { id: "t1", name: "lab" } }), key("free", [], { governed: false })]),
    "GET /api/v1/keys/laptop": () => json(key("laptop", models), 200, { ETag: `"${version}"` }),
    "PATCH /api/v1/keys/laptop": ({ body, headers }) => {
      if (version === 1) {
        // somebody else adds another one just now
        version = 2;
        models = ["mistral", "qwen"];
      }
      if (headers.get("If-Match") !== `"${version}"`) return json({ code: "PRECONDITION_FAILED", detail: "It was changed." }, 412);
      models = (body as { models: string[] }).models;
      return json(key("laptop", models), 200, { ETag: `"${(version += 1)}"` });
    },
  });
  await show(<Shown />, "/subscriptions");
  await userEvent.click(await screen.findByRole("button", { name: "Add to a key" }));
  const dialog = await screen.findByRole("dialog");
  expect((await within(dialog).findAllByRole("checkbox")).length).toBe(1);
  await userEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  expect(within(dialog).getByText("Pick at least one key.")).toBeVisible();
  await userEvent.click(within(dialog).getByLabelText("laptop"));
  await userEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(models).toEqual(["mistral", "qwen", "granite"]);
  expect(asked.filter((one) => one.method === "PATCH").length).toBe(2);
});
