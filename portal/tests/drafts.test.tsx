import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { Route, Routes } from "react-router";
import { expect, test } from "vitest";
import Plan from "../src/features/workshops/Plan";
import Workshops from "../src/features/workshops/Workshops";
import { SessionProvider, useSessionQuery } from "../src/lib/session";
import { json, serve, session, show, type Seen } from "./stage";

interface Draft {
  title: string;
  content: Record<string, unknown>;
}

/** A server that keeps drafts in their versions. */
function keeper(first: Record<string, Draft> = {}) {
  const held = new Map(Object.entries(first));
  let version = 1;
  const moments = { created_at: "2026-11-01T00:00:00Z", updated_at: "2026-11-02T00:00:00Z" };
  const answer = (id: string, status = 200) => json({ id, ...moments, ...held.get(id) }, status, { ETag: `"${version}"` });
  const put = (id: string, { body }: Pick<Seen, "body">) => {
    held.set(id, body as Draft);
    version += 1;
  };
  serve({
    "GET /api/v1/auth/session": session(["admin:workshops:write", "admin:workshops:read"]),
    "GET /api/v1/workshops": { data: [], pagination: { page: 1, limit: 20, total: 0, total_pages: 1 } },
    "GET /api/v1/workshop-drafts": () => json({ data: [...held].map(([id, { title }]) => ({ id, title, ...moments })) }),
    "POST /api/v1/workshop-drafts": (seen) => (put("d1", seen), answer("d1", 201)),
    "GET /api/v1/workshop-drafts/d1": () => answer("d1"),
    "PUT /api/v1/workshop-drafts/d1": (seen) => {
      if (seen.headers.get("If-Match") !== `"${version}"`) return json({ code: "PRECONDITION_FAILED", detail: "It was changed." }, 412);
      put("d1", seen);
      return answer("d1");
    },
    "DELETE /api/v1/workshop-drafts/d1": () => (held.delete("d1"), new Response(null, { status: 204 })),
  });
  return { held, byOthers: put };
}

function Shown() {
  const held = useSessionQuery();
  return (
    <SessionProvider session={held.data ?? null}>
      {held.data && (
        <Routes>
          <Route path="/workshops" element={<Workshops />} />
          <Route path="/workshops/new" element={<Plan />} />
        </Routes>
      )}
    </SessionProvider>
  );
}

test("a plan is kept, kept again in its version, and one that somebody else has changed is not overwritten", async () => {
  const server = keeper();
  await show(<Shown />, "/workshops/new");
  await userEvent.type(await screen.findByLabelText(/^Title/), "Prompting");
  await userEvent.click(screen.getByRole("button", { name: "Keep as draft" }));
  expect(await screen.findByRole("button", { name: "Draft is kept" })).toBeDisabled();
  expect(server.held.get("d1")).toMatchObject({ title: "Prompting", content: { title: "Prompting", organisers: "uma", seats: 20 } });
  await userEvent.type(screen.getByLabelText(/^Title/), " II");
  await userEvent.click(screen.getByRole("button", { name: "Keep as draft" }));
  await waitFor(() => expect(server.held.get("d1")?.title).toBe("Prompting II"));
  server.byOthers("d1", { body: { title: "Theirs", content: {} } });
  await userEvent.type(screen.getByLabelText(/^Title/), "!");
  await userEvent.click(screen.getByRole("button", { name: "Keep as draft" }));
  expect(await screen.findByRole("alert")).toBeVisible();
  expect(server.held.get("d1")?.title).toBe("Theirs");
  expect(screen.getByLabelText(/^Title/)).toHaveValue("Prompting II!");
});

test("a draft is found in the list of workshops, continued as it was left, and deleted", async () => {
  const server = keeper({ d1: { title: "", content: { description: "Bring a laptop." } } });
  await show(<Shown />, "/workshops");
  await userEvent.click(await screen.findByRole("link", { name: "Draft without a title" }));
  expect(screen.getByTestId("address")).toHaveTextContent("/workshops/new?draft=d1");
  expect(await screen.findByLabelText(/^Description/)).toHaveValue("Bring a laptop.");
  await userEvent.click(screen.getByRole("button", { name: "Cancel" }));
  await userEvent.click(await screen.findByRole("button", { name: "Delete Draft without a title?" }));
  await userEvent.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Delete" }));
  await waitFor(() => expect(server.held.size).toBe(0));
  await waitFor(() => expect(screen.queryByRole("link", { name: "Draft without a title" })).toBeNull());
});
