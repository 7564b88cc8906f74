import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import { changesBetween, differences, merged } from "../src/components/differences";
import { Text } from "../src/components/fields";
import { queries } from "../src/lib/api";
import { SessionProvider, useSessionQuery } from "../src/lib/session";
import { EditSubscription } from "../src/features/admin-subscriptions/EditSubscription";
import Guardrails from "../src/features/settings/Guardrails";
import { GroupForm } from "../src/features/settings/group";
import { EditWebhook } from "../src/features/settings/WebhookForm";
import { json, serve, session, show } from "./stage";

interface Group {
  operator: string;
  billing_account_id: string;
}

/** A server that keeps one group of settings and refuses what was not read in its current version. */
function settings(first: Group) {
  let held = first;
  let version = 1;
  const answer = () => json(held, 200, { ETag: `"${version}"` });
  const put = (values: Group) => {
    held = values;
    version += 1;
  };
  const asked = serve({
    "GET /api/v1/auth/session": session(["admin:settings:write"]),
    "GET /api/v1/admin/settings/chargeback": answer,
    "PUT /api/v1/admin/settings/chargeback": ({ body, headers }) => {
      if (headers.get("If-Match") !== `"${version}"`) return json({ code: "PRECONDITION_FAILED", detail: "It was changed." }, 412);
      put(body as Group);
      return answer();
    },
  });
  return { asked, held: () => held, byOthers: put };
}

function Form() {
  const held = useSessionQuery();
  return (
    <SessionProvider session={held.data ?? null}>
      {held.data && (
        <GroupForm<Group> group="chargeback" title="Chargeback">
          {({ values, change }) => (
            <>
              <Text label="Operator" value={values.operator} onChange={(operator) => change({ operator })} />
              <Text label="Account" value={values.billing_account_id} onChange={(value) => change({ billing_account_id: value })} />
            </>
          )}
        </GroupForm>
      )}
    </SessionProvider>
  );
}

const save = () => userEvent.click(screen.getByRole("button", { name: "Save" }));

test("what others saved meanwhile is shown beside what was typed, and the person chooses", async () => {
  const server = settings({ operator: "LiteMaaS", billing_account_id: "one" });
  await show(<Form />);
  await userEvent.type(await screen.findByLabelText("Operator"), " of mine");
  server.byOthers({ operator: "Theirs", billing_account_id: "two" });
  await save();
  const conflict = await screen.findByRole("alert", { name: "Somebody else has saved this while you were editing" });
  expect(server.held().operator).toBe("Theirs");
  expect(within(conflict).getByRole("row", { name: /operator.*Theirs.*LiteMaaS of mine/ })).toBeVisible();
  expect(within(conflict).getByRole("row", { name: /billing_account_id.*two.*not changed by you/ })).toBeVisible();
  expect(screen.getByLabelText("Operator")).toHaveValue("LiteMaaS of mine");
  expect(screen.getByRole("button", { name: "Save" })).toBeDisabled();
  await userEvent.click(within(conflict).getByRole("button", { name: "Save this choice" }));
  await waitFor(() => expect(server.held()).toEqual({ operator: "LiteMaaS of mine", billing_account_id: "two" }));
  await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
  expect(screen.getByLabelText("Account")).toHaveValue("two");
});

test("theirs can be chosen, and mine can be given up", async () => {
  const server = settings({ operator: "LiteMaaS", billing_account_id: "one" });
  await show(<Form />);
  await userEvent.type(await screen.findByLabelText("Operator"), "!");
  await userEvent.type(screen.getByLabelText("Account"), "!");
  server.byOthers({ operator: "Theirs", billing_account_id: "one" });
  await save();
  await userEvent.click(await screen.findByRole("radio", { name: "Theirs" }));
  await userEvent.click(screen.getByRole("button", { name: "Save this choice" }));
  await waitFor(() => expect(server.held()).toEqual({ operator: "Theirs", billing_account_id: "one!" }));
  await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
  await userEvent.type(screen.getByLabelText("Account"), "?");
  server.byOthers({ operator: "Again", billing_account_id: "three" });
  await save();
  await userEvent.click(await screen.findByRole("button", { name: "Discard what I entered" }));
  await waitFor(() => expect(screen.getByLabelText("Account")).toHaveValue("three"));
  expect(server.held()).toEqual({ operator: "Again", billing_account_id: "three" });
});

test("what is read anew takes the place of an untouched form, and never that of typed text", async () => {
  const server = settings({ operator: "LiteMaaS", billing_account_id: "one" });
  await show(<Form />);
  await screen.findByLabelText("Operator");
  server.byOthers({ operator: "Theirs", billing_account_id: "one" });
  await queries.invalidateQueries();
  await waitFor(() => expect(screen.getByLabelText("Operator")).toHaveValue("Theirs"));
  await userEvent.type(screen.getByLabelText("Operator"), " and mine");
  server.byOthers({ operator: "Other", billing_account_id: "one" });
  await queries.invalidateQueries();
  expect(screen.getByLabelText("Operator")).toHaveValue("Theirs and mine");
  await save();
  expect(await screen.findByRole("radio", { name: "Other" })).toBeVisible();
});

test("members of members count one by one, and what only one side changed is never asked about", () => {
  const base = { name: "a", limits: { rpm: 1, tpm: 2 }, tags: ["x"], gone: 1 as number | null };
  const mine = { ...base, limits: { rpm: 5, tpm: 2 }, tags: ["x", "y"] };
  const theirs = { ...base, name: "b", limits: { rpm: 7, tpm: 9 }, gone: null };
  expect(differences(base, mine, theirs).map(({ path, isBoth }) => [path, isBoth])).toEqual([
    ["name", false],
    ["limits.rpm", true],
    ["limits.tpm", false],
    ["gone", false],
  ]);
  expect(merged(base, mine, theirs, {})).toEqual({ name: "b", limits: { rpm: 5, tpm: 9 }, tags: ["x", "y"], gone: null });
  expect(merged(base, mine, theirs, { "limits.rpm": "theirs" }).limits).toEqual({ rpm: 7, tpm: 9 });
  expect(theirs.limits.rpm).toBe(7);
  expect(changesBetween(base, mine)).toEqual({ limits: { rpm: 5, tpm: 2 }, tags: ["x", "y"] });
});

/** A server that keeps one list of guardrails as a group of settings. */
function guardrails(first: string[]) {
  const entry = (name: string, words: string[] = []) => ({ guardrail_name: name, litellm_params: { guardrail: "litellm_content_filter", mode: "pre_call", default_on: true, blocked_words: words.map((keyword) => ({ keyword, action: "BLOCK" })) } });
  let held = first.map((name) => entry(name));
  let version = 1;
  const answer = () => json({ guardrails: held }, 200, { ETag: `"${version}"` });
  const put = (entries: typeof held) => {
    held = entries;
    version += 1;
  };
  serve({
    "GET /api/v1/auth/session": session(["admin:settings:write"]),
    "GET /api/v1/admin/guardrails/known": { patterns: [], categories: [], groups: {}, levels: ["low", "medium"] },
    "GET /api/v1/admin/settings/guardrails": answer,
    "PUT /api/v1/admin/settings/guardrails": ({ body, headers }) => {
      if (headers.get("If-Match") !== `"${version}"`) return json({ code: "PRECONDITION_FAILED", detail: "It was changed." }, 412);
      put((body as { guardrails: typeof held }).guardrails);
      return answer();
    },
  });
  return { words: () => Object.fromEntries(held.map((one) => [one.guardrail_name, (one.litellm_params.blocked_words ?? []).map((word) => word.keyword)])), byOthers: put, entry, held: () => held };
}

function Settings() {
  const held = useSessionQuery();
  return <SessionProvider session={held.data ?? null}>{held.data && <Guardrails />}</SessionProvider>;
}

const edit = async (name: string, word: string) => {
  await userEvent.click(await screen.findByRole("button", { name: `Edit ${name}` }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.type(within(dialog).getByLabelText(/Words and phrases/), word);
  return dialog;
};

test("another guardrail that somebody added meanwhile is kept, and nobody is asked about it", async () => {
  const server = guardrails(["mine"]);
  await show(<Settings />);
  const dialog = await edit("mine", "secret");
  server.byOthers([...server.held(), server.entry("theirs")]);
  await userEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(server.words()).toEqual({ mine: ["secret"], theirs: [] });
});

test("the same guardrail that somebody changed meanwhile is compared before it is saved", async () => {
  const server = guardrails(["mine", "other"]);
  await show(<Settings />);
  const dialog = await edit("mine", "secret");
  server.byOthers([server.entry("mine", ["theirs"]), server.entry("other")]);
  await userEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  const conflict = await within(dialog).findByRole("alert", { name: "Somebody else has saved this while you were editing" });
  expect(server.words()).toEqual({ mine: ["theirs"], other: [] });
  await userEvent.click(within(conflict).getByRole("radio", { name: "theirs" }));
  await userEvent.click(within(conflict).getByRole("button", { name: "Save this choice" }));
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(server.words()).toEqual({ mine: ["theirs"], other: [] });
});

test("a webhook and a subscription are changed in the version that was read, with nothing but what was changed", async () => {
  const held = { id: "s1", quota_requests: 10, quota_tokens: 20, expires_at: null, used_requests: 1, used_tokens: 2 };
  const webhook = { id: "w1", url: "https://hooks.example.org/x", events: ["test"], is_active: true };
  const tagged = (body: object) => () => json(body, 200, { ETag: '"v1"' });
  const asked = serve({
    "GET /api/v1/auth/session": session([]),
    "GET /api/v1/admin/subscriptions/s1": tagged(held),
    "PATCH /api/v1/admin/subscriptions/s1": tagged(held),
    "GET /api/v1/admin/webhooks/w1": tagged(webhook),
    "PATCH /api/v1/admin/webhooks/w1": tagged(webhook),
  });
  const close = vi.fn();
  const { unmount } = await show(<EditSubscription id="s1" title="Ann – granite" close={close} />);
  const requests = await screen.findByRole("spinbutton", { name: "Requests per month" });
  await userEvent.clear(requests);
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  await waitFor(() => expect(close).toHaveBeenCalledTimes(1));
  unmount();
  await show(<EditWebhook id="w1" close={close} />);
  await userEvent.click(await screen.findByLabelText("Active"));
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  await waitFor(() => expect(close).toHaveBeenCalledTimes(2));
  const changes = asked.filter((one) => one.method === "PATCH");
  expect(changes.map((one) => one.body)).toEqual([{ quota_requests: null }, { is_active: false }]);
  expect(changes.map((one) => one.headers.get("If-Match"))).toEqual(['"v1"', '"v1"']);
});
