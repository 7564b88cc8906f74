/** One or many requests are decided: what is asked for, which keys get the model, and what came of it. */
import { useState } from "react";
import { FormDialog } from "../../components/Dialog";
import { Area } from "../../components/fields";
import { PlainTable } from "../../components/PlainTable";
import { useSend, type Reply } from "../../lib/api";
import { count } from "../../lib/format";
import { useSay, type Say } from "../../lib/i18n";
import { tell } from "../../lib/toasts";

export type Row = Reply<"/api/v1/admin/subscriptions", "get">["data"][number];

/** Names of the keys that reach the model once it is approved, and how many more there are. */
export function keyNames(say: Say, { keys, key_count }: Pick<Row, "keys" | "key_count">, most = keys.length): string {
  const shown = keys.slice(0, most);
  const more = key_count - shown.length;
  if (key_count === 0) return say("no_key_gets_it");
  return shown.map((key) => key.name).join(", ") + (more > 0 ? ` + ${count(more)}` : "");
}

export function Decide({ act, rows, close, done }: { act: "approve" | "deny"; rows: Row[]; close: () => void; done: () => void }) {
  const say = useSay();
  const ids = rows.map((row) => row.id);
  const approve = useSend("post", "/api/v1/admin/subscriptions/approve");
  const deny = useSend("post", "/api/v1/admin/subscriptions/deny");
  const [reason, setReason] = useState("");
  const [missing, setMissing] = useState(false);
  const sending = act === "approve" ? approve : deny;
  const result = sending.data;
  const send = async () => {
    if (act === "deny" && !reason.trim()) return setMissing(true);
    const outcome = await (act === "approve"
      ? approve.mutateAsync({ body: { subscription_ids: ids, ...(reason.trim() ? { reason: reason.trim() } : {}) } })
      : deny.mutateAsync({ body: { subscription_ids: ids, reason: reason.trim() } })
    ).catch(() => null);
    if (outcome && outcome.failed === 0) {
      tell("success", say(act === "approve" ? "n_approved" : "n_denied", { count: outcome.successful }));
      done();
    }
  };
  return (
    <FormDialog title={say(act === "approve" ? "approve_n" : "deny_n", { count: ids.length })} submit={say(act)} close={result ? done : close} send={send} busy={sending.isPending} error={sending.error} danger={act === "deny"} isDisabled={Boolean(result)}>
      <p>{say(act === "approve" ? "approve_text" : "deny_text")}</p>
      {act === "approve" && (
        <PlainTable
          isOfWords
          caption={say("keys_get_model")}
          head={[say("holder"), say("model"), say("keys_get_model")]}
          rows={rows.map((row) => [row.holder.name, row.model.name, keyNames(say, row)])}
        />
      )}
      <Area label={say("comment")} value={reason} onChange={(value) => { setReason(value); setMissing(false); }} isRequired={act === "deny"} error={missing ? say("field_required") : undefined} />
      {result && result.failed > 0 && (
        <div className="lm-failure" role="alert">
          <p>{say("n_succeeded_m_failed", { n: result.successful, m: result.failed })}</p>
          <ul>
            {result.errors.map((error) => (
              <li key={error.subscription_id}>{error.message}</li>
            ))}
          </ul>
        </div>
      )}
    </FormDialog>
  );
}
