/** Subscriptions of one person; administrators can grant models without a request. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Confirm, FormDialog } from "../../components/Dialog";
import { Check } from "../../components/fields";
import { Empty, Loaded } from "../../components/States";
import { Status } from "../../components/Status";
import { useGet, useSend } from "../../lib/api";
import { moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";
import { EditSubscription } from "../admin-subscriptions/EditSubscription";

export function UserSubscriptions({ id }: { id: string }) {
  const say = useSay();
  const may = useMay()("admin:subscriptions:write");
  const found = useGet("/api/v1/admin/users/{user_id}/subscriptions", { path: { user_id: id }, query: { limit: 100 } as never });
  const remove = useSend("delete", "/api/v1/admin/subscriptions/{subscription_id}");
  const [granting, setGranting] = useState(false);
  const [open, setOpen] = useState<{ act: "edit" | "delete"; id: string; name: string } | null>(null);
  return (
    <div className="lm-stack">
      {may && (
        <div>
          <Button onClick={() => setGranting(true)}>{say("grant_models")}</Button>
        </div>
      )}
      <Loaded query={found}>
        {({ data }) =>
          data.length === 0 ? (
            <Empty title={say("no_subscriptions")} />
          ) : (
            <ul className="lm-items">
              {data.map((one) => (
                <li key={one.id} className="lm-item">
                  <span className="lm-row">
                    <strong>{one.model.name}</strong> <Status value={one.status} />
                  </span>
                  {one.status_reason && <span>{one.status_reason}</span>}
                  <footer>
                    {moment(one.status_changed_at)}
                    {may && (
                      <>
                        <Button variant="link" isInline aria-label={say("edit_what", { what: one.model.name })} onClick={() => setOpen({ act: "edit", id: one.id, name: one.model.name })}>
                          {say("edit_quotas")}
                        </Button>
                        <Button variant="link" isInline isDanger aria-label={say("delete_what", { what: one.model.name })} onClick={() => setOpen({ act: "delete", id: one.id, name: one.model.name })}>
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
      {open?.act === "edit" && <EditSubscription id={open.id} title={open.name} close={() => setOpen(null)} />}
      {open?.act === "delete" && (
        <Confirm
          title={say("delete_what", { what: open.name })}
          text={say("delete_subscription_text")}
          submit={say("delete")}
          reason="required"
          close={() => setOpen(null)}
          act={(reason) => remove.mutateAsync({ path: { subscription_id: open.id }, query: { reason } })}
        />
      )}
      {granting && <Grant id={id} close={() => setGranting(false)} />}
    </div>
  );
}

function Grant({ id, close }: { id: string; close: () => void }) {
  const say = useSay();
  const grant = useSend("post", "/api/v1/admin/users/{user_id}/subscriptions");
  const models = useGet("/api/v1/admin/models", { query: { limit: 100, status: ["available", "deprecated"] } }).data?.data ?? [];
  const [picked, setPicked] = useState<string[]>([]);
  const send = async () => {
    await grant.mutateAsync({ path: { user_id: id }, body: { model_ids: picked } }).then(() => {
      tell("success", say("saved"));
      close();
    }, () => undefined);
  };
  return (
    <FormDialog title={say("grant_models")} submit={say("grant")} close={close} send={send} busy={grant.isPending} error={grant.error} isDisabled={picked.length === 0}>
      <p>{say("grant_text")}</p>
      <div className="lm-picks">
        {models.map((model) => (
          <Check key={model.id} label={model.name} checked={picked.includes(model.id)} onChange={(on) => setPicked(on ? [...picked, model.id] : picked.filter((one) => one !== model.id))} />
        ))}
      </div>
    </FormDialog>
  );
}
