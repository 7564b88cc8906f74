/** A model that somebody has subscribed to comes onto keys that they have already. */
import { useState } from "react";
import { Link } from "react-router";
import { FormDialog } from "../../components/Dialog";
import { Check } from "../../components/fields";
import { Failure, Loading } from "../../components/States";
import { ApiError, call, useGet, useSend, type Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { tell } from "../../lib/toasts";
import { ifMatch } from "../../lib/versions";

type KeyRow = Reply<"/api/v1/keys", "get">["data"][number];

interface Props {
  model: string;
  /** Null: one's own keys; else those that this team pays for. */
  team: string | null;
  close: () => void;
}

export function AddToKeys({ model, team, close }: Props) {
  const say = useSay();
  const patch = useSend("patch", "/api/v1/keys/{key_id}");
  const found = useGet("/api/v1/keys", { query: { limit: 100, state: "active", ...(team === null ? {} : { team_id: team }) } });
  const [picked, setPicked] = useState<readonly string[]>([]);
  const [isMissing, setMissing] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const fitting = found.data?.data.filter((key) => key.governed && (key.team?.id ?? null) === team && !key.models.some((one) => one.name === model));
  const send = async () => {
    if (picked.length === 0) return setMissing(true);
    setError(null);
    let left = [...picked];
    try {
      for (const id of picked) {
        await add(id, model, patch.mutateAsync as Send);
        left = left.filter((one) => one !== id);
      }
      tell("success", say("added_to_n_keys", { model, count: picked.length }));
      close();
    } catch (refusal) {
      setError(refusal);
      setPicked(left);
    }
  };
  return (
    <FormDialog title={say("add_to_key")} submit={say("save")} close={close} send={send} busy={patch.isPending} error={error} isDisabled={!fitting?.length}>
      <p>
        {say("model")}: <strong>{model}</strong>
      </p>
      {found.error && !found.data && <Failure error={found.error} retry={() => void found.refetch()} />}
      {!found.data && !found.error && <Loading rows={3} />}
      {fitting?.length === 0 && (
        <p>
          {say("no_keys_without")} <Link to={`/api-keys?create=${encodeURIComponent(model)}`}>{say("create_key")}</Link>
        </p>
      )}
      {fitting && fitting.length > 0 && (
        <fieldset className="lm-field" aria-invalid={isMissing}>
          <legend>{say("add_to_keys")}</legend>
          <div className="lm-picks">
            {fitting.map((key) => (
              <Check
                key={key.id}
                label={key.name}
                checked={picked.includes(key.id)}
                onChange={(on) => {
                  setMissing(false);
                  setPicked(on ? [...picked, key.id] : picked.filter((id) => id !== key.id));
                }}
              />
            ))}
          </div>
          {isMissing && (
            <small className="lm-bad" role="alert">
              {say("pick_a_key")}
            </small>
          )}
        </fieldset>
      )}
    </FormDialog>
  );
}

type Send = (given: { path: { key_id: string }; body: never; headers: Record<string, string> }) => Promise<unknown>;

/** How often it is tried when somebody else changes the key at that moment: what they saved stays, and the model is added to it. */
const TRIES = 3;

async function add(id: string, model: string, send: Send, tries = TRIES): Promise<void> {
  const path = { key_id: id };
  const key: KeyRow = await call("get", "/api/v1/keys/{key_id}", { path });
  const models = key.models.map((one) => one.name);
  if (models.includes(model)) return;
  try {
    await send({ path, body: { models: [...models, model] } as never, headers: ifMatch(key) });
  } catch (refusal) {
    if (!(refusal instanceof ApiError) || refusal.status !== 412 || tries === 1) throw refusal;
    await add(id, model, send, tries - 1);
  }
}
