/** Programs that are told of events: each with its address, the kinds of events, a test, and what was sent to it of late. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Card } from "../../components/Card";
import { Confirm, Dialog } from "../../components/Dialog";
import { PlainTable } from "../../components/PlainTable";
import { Loaded } from "../../components/States";
import { Status } from "../../components/Status";
import { eventWord } from "../../concepts/notifications/Items";
import { useGet, useSend } from "../../lib/api";
import { count, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { tell } from "../../lib/toasts";
import { AddWebhook, EditWebhook, type Webhook } from "./WebhookForm";

type Act = "edit" | "deliveries" | "delete";

export function Webhooks({ may }: { may: boolean }) {
  const say = useSay();
  const found = useGet("/api/v1/admin/webhooks");
  const test = useSend("post", "/api/v1/admin/webhooks/{webhook_id}/test");
  const remove = useSend("delete", "/api/v1/admin/webhooks/{webhook_id}");
  const [adding, setAdding] = useState(false);
  const [open, setOpen] = useState<{ act: Act; webhook: Webhook } | null>(null);
  const close = () => setOpen(null);
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
                    <Status value={webhook.is_active ? "active" : "disabled"} /> {webhook.events.length ? webhook.events.map((event) => eventWord(say, event)).join(", ") : say("all_events")}
                  </span>
                  {webhook.disabled_reason && <span className="lm-bad">{webhook.disabled_reason}</span>}
                  <footer>
                    <Button variant="link" isInline aria-label={say("deliveries_of", { what: webhook.url })} onClick={() => setOpen({ act: "deliveries", webhook })}>
                      {say("deliveries")}
                    </Button>
                    {may && (
                      <>
                        <Button variant="link" isInline onClick={() => void tryOut(webhook)}>
                          {say("send_test")}
                        </Button>
                        <Button variant="link" isInline aria-label={say("edit_what", { what: webhook.url })} onClick={() => setOpen({ act: "edit", webhook })}>
                          {say("edit")}
                        </Button>
                        <Button variant="link" isInline isDanger aria-label={say("delete_what", { what: webhook.url })} onClick={() => setOpen({ act: "delete", webhook })}>
                          {say("delete")}
                        </Button>
                      </>
                    )}
                  </footer>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      {adding && <AddWebhook close={() => setAdding(false)} />}
      {open?.act === "edit" && <EditWebhook id={open.webhook.id} close={close} />}
      {open?.act === "deliveries" && <Deliveries webhook={open.webhook} close={close} />}
      {open?.act === "delete" && <Confirm title={say("delete_what", { what: open.webhook.url })} text={say("cannot_be_undone")} submit={say("delete")} close={close} act={() => remove.mutateAsync({ path: { webhook_id: open.webhook.id } })} />}
    </Card>
  );
}

function Deliveries({ webhook, close }: { webhook: Webhook; close: () => void }) {
  const say = useSay();
  const found = useGet("/api/v1/admin/webhooks/{webhook_id}/deliveries", { path: { webhook_id: webhook.id } });
  return (
    <Dialog title={say("deliveries_of", { what: webhook.url })} close={close} size="large">
      <Loaded query={found}>
        {({ data }) =>
          data.length === 0 ? (
            <p className="lm-subtle">{say("no_deliveries")}</p>
          ) : (
            <PlainTable
              caption={say("deliveries_of", { what: webhook.url })}
              isOfWords
              head={[say("time"), say("event"), say("result"), say("attempts"), say("error")]}
              rows={data.map((one) => [moment(one.created_at), eventWord(say, one.event), <Status key="state" value={one.state} />, count(one.attempts), one.last_error ?? (one.status === null ? "–" : `HTTP ${one.status}`)])}
            />
          )
        }
      </Loaded>
    </Dialog>
  );
}
