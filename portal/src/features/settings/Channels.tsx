/** Where notifications go besides the inbox: e-mail and webhooks, each with a test. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Card } from "../../components/Card";
import { Copyable } from "../../components/Copy";
import { Confirm, Dialog, FormDialog, Refusal } from "../../components/Dialog";
import { Check, fieldErrors, Text, Whole } from "../../components/fields";
import { Loaded } from "../../components/States";
import { Status } from "../../components/Status";
import { EVENTS, eventKey } from "../../concepts/notifications/Items";
import { useGet, useSend, type Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";
import { GroupForm } from "./group";

type Held = Reply<"/api/v1/admin/settings", "get">["notifications"];
type Webhook = Reply<"/api/v1/admin/webhooks", "get">["data"][number];

export default function Channels() {
  const say = useSay();
  const may = useMay()("admin:settings:write");
  const test = useSend("post", "/api/v1/admin/notifications/test-email");
  const [to, setTo] = useState("");
  return (
    <div className="lm-columns">
      <GroupForm<Held> group="notifications" title={say("email")}>
        {({ values, change, error }) => (
          <>
            <Check label={say("send_email")} checked={values.email ?? true} onChange={(on) => change({ email: on })} />
            <Text label={say("sender")} value={values.sender ?? ""} maxLength={255} onChange={(sender) => change({ sender })} error={fieldErrors(error)["sender"]} />
            <Whole label={say("inbox_days")} min={1} max={36_500} value={values.kept_days ?? 90} onChange={(value) => change({ kept_days: value ?? 90 })} />
          </>
        )}
      </GroupForm>
      {may && (
        <Card title={say("test_email")}>
          <Text label={say("recipient")} value={to} onChange={setTo} />
          <div>
            <Button variant="secondary" isLoading={test.isPending} isDisabled={!to} onClick={() => test.mutate({ body: { to } as never })}>
              {say("send_test")}
            </Button>
          </div>
          <div role="status">{test.data && (test.data.ok ? say("test_sent") : test.data.detail)}</div>
          <Refusal error={test.error} />
        </Card>
      )}
      <Webhooks may={may} />
    </div>
  );
}

function Webhooks({ may }: { may: boolean }) {
  const say = useSay();
  const found = useGet("/api/v1/admin/webhooks");
  const test = useSend("post", "/api/v1/admin/webhooks/{webhook_id}/test");
  const remove = useSend("delete", "/api/v1/admin/webhooks/{webhook_id}");
  const [adding, setAdding] = useState(false);
  const [doomed, setDoomed] = useState<Webhook | null>(null);
  const tryOut = async (webhook: Webhook) => {
    try {
      const outcome = await test.mutateAsync({ path: { webhook_id: webhook.id } });
      tell(outcome.ok ? "success" : "warning", outcome.ok ? say("test_sent") : (outcome.detail ?? say("test_failed")));
    } catch (error) {
      tell("danger", say("test_failed"), error);
    }
  };
  return (
    <Card title={say("webhooks")} wide aside={may && <Button variant="secondary" size="sm" onClick={() => setAdding(true)}>{say("add_webhook")}</Button>}>
      <Loaded query={found}>
        {({ data }) =>
          data.length === 0 ? (
            <p className="lm-subtle">{say("no_webhooks")}</p>
          ) : (
            <ul className="lm-items">
              {data.map((webhook) => (
                <li key={webhook.id} className="lm-item">
                  <strong>{webhook.url}</strong>
                  <span>
                    <Status value={webhook.is_active ? "active" : "disabled"} /> {webhook.events.length ? webhook.events.join(", ") : say("all_events")}
                  </span>
                  {may && (
                    <footer>
                      <Button variant="link" isInline onClick={() => void tryOut(webhook)}>
                        {say("send_test")}
                      </Button>
                      <Button variant="link" isInline isDanger onClick={() => setDoomed(webhook)}>
                        {say("delete")}
                      </Button>
                    </footer>
                  )}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      {adding && <AddWebhook close={() => setAdding(false)} />}
      {doomed && <Confirm title={say("delete_what", { what: doomed.url })} text={say("cannot_be_undone")} submit={say("delete")} close={() => setDoomed(null)} act={() => remove.mutateAsync({ path: { webhook_id: doomed.id } })} />}
    </Card>
  );
}

function AddWebhook({ close }: { close: () => void }) {
  const say = useSay();
  const create = useSend("post", "/api/v1/admin/webhooks");
  const [url, setUrl] = useState("https://");
  const [events, setEvents] = useState<string[]>([]);
  if (create.data)
    return (
      <Dialog title={say("webhook_made")} close={close} footer={<Button onClick={close}>{say("close")}</Button>}>
        <p>{say("webhook_secret_once")}</p>
        <Copyable text={create.data.secret} label={say("secret")} />
      </Dialog>
    );
  const send = () => create.mutateAsync({ body: { url, events } as never }).catch(() => undefined);
  return (
    <FormDialog title={say("add_webhook")} submit={say("save")} close={close} send={send} busy={create.isPending} error={create.error}>
      <Text label={say("address")} type="url" value={url} onChange={setUrl} isRequired error={fieldErrors(create.error)["url"]} />
      <fieldset className="lm-field">
        <legend>{say("events_none_is_all")}</legend>
        <div className="lm-picks">
          {EVENTS.map((event) => (
            <Check key={event} label={say(eventKey(event))} checked={events.includes(event)} onChange={(on) => setEvents(on ? [...events, event] : events.filter((one) => one !== event))} />
          ))}
        </div>
      </fieldset>
    </FormDialog>
  );
}
