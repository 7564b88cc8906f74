/** A webhook made or changed: where it goes, and of what it is told. Its secret is shown once, when it is made. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Copyable } from "../../components/Copy";
import { Dialog, FormDialog } from "../../components/Dialog";
import { changesBetween } from "../../components/differences";
import { Check, fieldErrors, Text } from "../../components/fields";
import { useGuardedDialog } from "../../components/useGuarded";
import { EVENTS, eventKey } from "../../concepts/notifications/Items";
import { call, useGet, useSend, type Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";

export type Webhook = Reply<"/api/v1/admin/webhooks", "get">["data"][number];
interface Draft {
  url: string;
  events: string[];
  is_active: boolean;
}

const FIRST: Draft = { url: "https://", events: [], is_active: true };
const draftOf = (webhook: Webhook | null): Draft => (webhook ? { url: webhook.url, events: webhook.events, is_active: webhook.is_active } : FIRST);

export function AddWebhook({ close }: { close: () => void }) {
  const say = useSay();
  const create = useSend("post", "/api/v1/admin/webhooks");
  const [draft, setDraft] = useState(FIRST);
  if (create.data)
    return (
      <Dialog title={say("webhook_made")} close={close} footer={<Button onClick={close}>{say("close")}</Button>}>
        <p>{say("webhook_secret_once")}</p>
        <Copyable text={create.data.secret} label={say("secret")} />
      </Dialog>
    );
  const send = () => create.mutateAsync({ body: draft as never }).catch(() => undefined);
  return (
    <FormDialog title={say("add_webhook")} submit={say("save")} close={close} send={send} busy={create.isPending} error={create.error}>
      <Fields draft={draft} change={setDraft} error={create.error} />
    </FormDialog>
  );
}

/** Read by itself first: a row of the list has no version. */
export function EditWebhook({ id, close }: { id: string; close: () => void }) {
  const read = useGet("/api/v1/admin/webhooks/{webhook_id}", { path: { webhook_id: id } }, { staleTime: 0 }).data;
  return read ? <EditForm read={read} close={close} /> : null;
}

function EditForm({ read, close }: { read: Webhook; close: () => void }) {
  const say = useSay();
  const patch = useSend("patch", "/api/v1/admin/webhooks/{webhook_id}");
  const path = { webhook_id: read.id };
  const { first, save, conflict } = useGuardedDialog({
    opened: read,
    valuesOf: draftOf,
    read: () => call("get", "/api/v1/admin/webhooks/{webhook_id}", { path }),
    change: (mine: Draft, over, headers) => patch.mutateAsync({ path, body: changesBetween(draftOf(over), mine) as never, headers }),
    close,
  });
  const [draft, setDraft] = useState(first);
  return (
    <FormDialog title={say("edit_what", { what: read.url })} submit={say("save")} close={close} send={() => save(draft)} busy={patch.isPending} error={patch.error} conflict={conflict}>
      <Fields draft={draft} change={setDraft} error={patch.error} />
      <Check label={say("active")} help={say("webhook_active_help")} checked={draft.is_active} onChange={(is_active) => setDraft({ ...draft, is_active })} />
    </FormDialog>
  );
}

function Fields({ draft, change, error }: { draft: Draft; change: (draft: Draft) => void; error: unknown }) {
  const say = useSay();
  const { url, events } = draft;
  return (
    <>
      <Text label={say("address")} type="url" value={url} onChange={(written) => change({ ...draft, url: written })} isRequired error={fieldErrors(error)["url"]} />
      <fieldset className="lm-field">
        <legend>{say("events_none_is_all")}</legend>
        <div className="lm-picks">
          {EVENTS.map((event) => (
            <Check key={event} label={say(eventKey(event))} checked={events.includes(event)} onChange={(on) => change({ ...draft, events: on ? [...events, event] : events.filter((one) => one !== event) })} />
          ))}
        </div>
      </fieldset>
    </>
  );
}
