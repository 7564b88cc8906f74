import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { expect, test, vi } from "vitest";
import { Confirm, FormDialog } from "../src/components/Dialog";
import { Text } from "../src/components/fields";
import { CreateKey } from "../src/concepts/keys/CreateKey";
import { forgetSession, refreshSession, SessionProvider, useSessionQuery } from "../src/lib/session";
import { json, serve, session, show } from "./stage";

const list = (data: object[]) => ({ data, pagination: { page: 1, limit: 100, total: data.length, total_pages: 1 } });

function Form({ close, send = async () => undefined }: { close: () => void; send?: () => Promise<unknown> }) {
  const [name, setName] = useState("");
  const [wrong, setWrong] = useState("");
  const check = async () => {
    setWrong(name ? "" : "Say a name");
    if (name) await send();
  };
  return (
    <FormDialog title="A form" submit="Save" close={close} send={check} busy={false} error={null}>
      <Text label="Note" value="" onChange={() => undefined} />
      <Text label="Name" value={name} onChange={setName} error={wrong || undefined} />
    </FormDialog>
  );
}

test("a form that somebody has typed into asks before it is thrown away, once", async () => {
  const close = vi.fn();
  await show(<Form close={close} />);
  await userEvent.type(await screen.findByLabelText("Name"), "a");
  await userEvent.click(screen.getByRole("button", { name: "Cancel" }));
  expect(close).not.toHaveBeenCalled();
  expect(screen.getByRole("alert")).toHaveTextContent("Discard what you have entered?");
  await userEvent.click(screen.getByRole("button", { name: "Keep editing" }));
  expect(screen.getByLabelText("Name")).toHaveValue("a");
  await userEvent.keyboard("{Escape}{Escape}");
  expect(close).toHaveBeenCalledOnce();
});

test("an untouched form closes at once", async () => {
  const close = vi.fn();
  await show(<Form close={close} />);
  await userEvent.click(await screen.findByRole("button", { name: "Cancel" }));
  expect(close).toHaveBeenCalledOnce();
});

test("the first field that must be mended gets the focus", async () => {
  await show(<Form close={() => undefined} />);
  await userEvent.click(await screen.findByRole("button", { name: "Save" }));
  await waitFor(() => expect(screen.getByLabelText("Name")).toHaveFocus());
});

test("whoever is asked to confirm stands on Cancel, and a refusal stays to be read", async () => {
  const act = vi.fn(async () => Promise.reject(new Error("no")));
  await show(<Confirm title="Delete?" text="For good." submit="Delete" close={() => undefined} act={act} />);
  const dialog = await screen.findByRole("dialog");
  await waitFor(() => expect(within(dialog).getByRole("button", { name: "Cancel" })).toHaveFocus());
  await userEvent.click(within(dialog).getByRole("button", { name: "Delete" }));
  expect(await within(dialog).findByRole("alert")).toHaveTextContent("Something went wrong on our side.");
});

function Signed() {
  const held = useSessionQuery();
  return <SessionProvider session={held.data ?? null}>{held.data ? <CreateKey model="" close={() => undefined} /> : <p>signed out</p>}</SessionProvider>;
}

test("what was typed when the session ended is there again for the same person, and for nobody else", async () => {
  let who: string | null = "uma";
  serve({
    "GET /api/v1/auth/session": () => (who ? json({ ...session(["api_keys:write"]), user: { username: who, full_name: who } }) : json({ code: "UNAUTHENTICATED" }, 401)),
    "GET /api/v1/config/keys": { defaults: {}, maximums: {} },
    "GET /api/v1/subscriptions": list([{ status: "active", model: { name: "granite" } }]),
    "GET /api/v1/teams": list([]),
  });
  await show(<Signed />);
  fireEvent.change(await screen.findByLabelText(/^Name/), { target: { value: "Notebook" } });
  who = null;
  await refreshSession();
  expect(await screen.findByText("signed out")).toBeVisible();
  who = "uma";
  await refreshSession();
  expect(await screen.findByLabelText(/^Name/)).toHaveValue("Notebook");
  who = null;
  await refreshSession();
  expect(await screen.findByText("signed out")).toBeVisible();
  who = "ann";
  await refreshSession();
  expect(await screen.findByLabelText(/^Name/)).toHaveValue("");
  forgetSession();
});
