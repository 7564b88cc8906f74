import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { Route, Routes } from "react-router";
import { expect, test } from "vitest";
import AdminUser from "../src/features/admin-users/AdminUser";
import { SessionProvider, useSessionQuery } from "../src/lib/session";
import { json, serve, session, show } from "./stage";

const ANN = {
  id: "ann", username: "ann", full_name: null, email: null, provider: "oidc", cost_centre: null, groups: [], teams: [], created_at: "2026-01-01T00:00:00Z", last_sign_in_at: null, anonymised_at: null,
  granted_roles: ["user"], derived_roles: [] as string[], roles: ["user"], is_active: true, keys: { total: 1, active: 1 }, subscriptions: { total: 0, active: 0 }, deactivation: null as object | null,
  limits: { max_budget_nano: 5e9, budget_duration: "monthly", tpm_limit: null, rpm_limit: null }, spent_nano: 0, budget_reset_at: "2026-12-01T00:00:00Z", updated_at: "2026-01-01T00:00:00Z",
};
const KEY = { id: "k1", name: "laptop", description: "", prefix: "sk-abcd", last4: "wxyz", state: "revoked", status_reason: "leaked", blocked_by: "key_revoked", models: [], spent_nano: 0, max_budget_nano: null, expires_at: null, last_used_at: null, request_count: 3, owner: { id: "ann", username: "ann" }, team: null, old_secret_valid_until: null };

function Shown() {
  const held = useSessionQuery();
  return (
    <SessionProvider session={held.data ?? null}>
      {held.data && (
        <Routes>
          <Route path="/admin/users/:id" element={<AdminUser />} />
        </Routes>
      )}
    </SessionProvider>
  );
}

/** A server that keeps one person and refuses what was not read in their current version. */
function keeper(first: Partial<typeof ANN> = {}) {
  let held = { ...ANN, ...first };
  let version = 1;
  const answer = () => json(held, 200, { ETag: `"${version}"` });
  const put = (changes: object) => {
    held = { ...held, ...changes };
    version += 1;
  };
  const asked = serve({
    "GET /api/v1/auth/session": session(["admin:users:write", "admin:api_keys:write"]),
    "GET /api/v1/admin/users/ann": answer,
    "PATCH /api/v1/admin/users/ann": ({ body, headers }) => {
      const wanted = headers.get("If-Match");
      if (wanted && wanted !== `"${version}"`) return json({ code: "PRECONDITION_FAILED", detail: "It was changed." }, 412);
      put(body as object);
      return answer();
    },
    "GET /api/v1/admin/keys": { data: [KEY], pagination: { page: 1, limit: 20, total: 1, total_pages: 1 } },
    "DELETE /api/v1/admin/keys/k1": () => new Response(null, { status: 204 }),
  });
  return { asked, held: () => held, byOthers: put };
}

test("two administrators who give roles at once do not overwrite one another: both are compared", async () => {
  const server = keeper();
  await show(<Shown />, "/admin/users/ann");
  await userEvent.click(await screen.findByLabelText("Viewer"));
  server.byOthers({ granted_roles: ["user", "adminReadonly"] });
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  const conflict = await screen.findByRole("alert", { name: "Somebody else has saved this while you were editing" });
  expect(within(conflict).getByRole("row", { name: /Administrator \(read only\)/ })).toBeVisible();
  expect(server.held().granted_roles).toEqual(["user", "adminReadonly"]);
  await userEvent.click(within(conflict).getByRole("button", { name: "Save this choice" }));
  await waitFor(() => expect([...server.held().granted_roles].sort()).toEqual(["adminReadonly", "readonly", "user"]));
});

test("a reason for deactivating is sent, and the page says who did it, when and why", async () => {
  const server = keeper();
  await show(<Shown />, "/admin/users/ann");
  await userEvent.click(await screen.findByRole("button", { name: "Deactivate" }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.type(within(dialog).getByLabelText("Reason"), "left the company");
  server.byOthers({ deactivation: { at: "2026-11-02T10:00:00Z", by: "root", reason: "left the company" } });
  await userEvent.click(within(dialog).getByRole("button", { name: "Deactivate" }));
  await waitFor(() => expect(server.asked.find((one) => one.method === "PATCH")?.body).toEqual({ is_active: false, reason: "left the company" }));
  expect(await screen.findByText(/^Deactivated by root on .*: left the company$/)).toBeVisible();
});

test("a budget that is used up is said, with when it begins anew", async () => {
  keeper({ spent_nano: 5e9 });
  await show(<Shown />, "/admin/users/ann");
  expect(await screen.findByText(/The budget of \$5\.00 is used up; only models that are free can be called\. Resets/)).toBeVisible();
});

test("a key of somebody is deleted from their page, also one that is revoked, and the list says why it was", async () => {
  const server = keeper();
  await show(<Shown />, "/admin/users/ann?tab=keys");
  expect(await screen.findByText("leaked")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Actions for laptop" }));
  expect(screen.queryByRole("menuitem", { name: "Revoke" })).toBeNull();
  await userEvent.click(await screen.findByRole("menuitem", { name: "Delete" }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.type(within(dialog).getByLabelText("Reason"), "not needed");
  await userEvent.click(within(dialog).getByRole("button", { name: "Delete" }));
  await waitFor(() => expect(server.asked.find((one) => one.method === "DELETE")?.query.get("reason")).toBe("not needed"));
});
