/** Tokens for scripts that call the control plane; the secret is shown once. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Card } from "../../components/Card";
import { Copyable } from "../../components/Copy";
import { Confirm, Dialog, FormDialog } from "../../components/Dialog";
import { Check, fieldErrors, Text } from "../../components/fields";
import { Loaded } from "../../components/States";
import { useGet, useSend } from "../../lib/api";
import { day } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useMay, useSession } from "../../lib/session";

export function Tokens() {
  const say = useSay();
  const may = useMay()("tokens:write");
  const found = useGet("/api/v1/me/tokens", {}, { enabled: may });
  const remove = useSend("delete", "/api/v1/me/tokens/{token_id}");
  const [adding, setAdding] = useState(false);
  const [doomed, setDoomed] = useState<{ id: string; name: string } | null>(null);
  if (!may) return null;
  return (
    <Card title={say("personal_tokens")} wide aside={<Button variant="secondary" size="sm" onClick={() => setAdding(true)}>{say("create_token")}</Button>}>
      <p className="lm-subtle">{say("tokens_text")}</p>
      <Loaded query={found}>
        {({ data }) => (
          <ul className="lm-items">
            {data.map((token) => (
              <li key={token.id} className="lm-item">
                <strong>{token.name}</strong>
                <span className="lm-subtle">{token.permissions.join(", ")}</span>
                <footer>
                  <code>…{token.hint}</code> {token.expires_at && say("expires_on", { day: day(token.expires_at) })}
                  <Button variant="link" isInline isDanger onClick={() => setDoomed(token)}>
                    {say("delete")}
                  </Button>
                </footer>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
      {adding && <AddToken close={() => setAdding(false)} />}
      {doomed && <Confirm title={say("delete_what", { what: doomed.name })} text={say("cannot_be_undone")} submit={say("delete")} close={() => setDoomed(null)} act={() => remove.mutateAsync({ path: { token_id: doomed.id } })} />}
    </Card>
  );
}

function AddToken({ close }: { close: () => void }) {
  const say = useSay();
  const { session } = useSession();
  const create = useSend("post", "/api/v1/me/tokens");
  const [name, setName] = useState("");
  const [picked, setPicked] = useState<string[]>([]);
  if (create.data)
    return (
      <Dialog title={say("token_created")} close={close} footer={<Button onClick={close}>{say("close")}</Button>}>
        <p className="lm-banner lm-warning">{say("secret_only_now")}</p>
        <Copyable text={create.data.secret} label={say("secret")} />
      </Dialog>
    );
  const send = () => create.mutateAsync({ body: { name, permissions: picked } as never }).catch(() => undefined);
  return (
    <FormDialog title={say("create_token")} submit={say("create_token")} close={close} send={send} busy={create.isPending} error={create.error} isDisabled={!name.trim() || picked.length === 0}>
      <Text label={say("name")} value={name} maxLength={100} onChange={setName} isRequired error={fieldErrors(create.error)["name"]} />
      <fieldset className="lm-field">
        <legend>{say("permissions")}</legend>
        <div className="lm-picks">
          {(session?.permissions ?? []).map((permission) => (
            <Check key={permission} label={<code>{permission}</code>} checked={picked.includes(permission)} onChange={(on) => setPicked(on ? [...picked, permission] : picked.filter((one) => one !== permission))} />
          ))}
        </div>
      </fieldset>
    </FormDialog>
  );
}
