/** Several keys switched off or on, or ended for good: what refused is named, the others are done. */
import { useState } from "react";
import { FormDialog } from "../../components/Dialog";
import { Area } from "../../components/fields";
import { useSend } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { tell } from "../../lib/toasts";

export type ManyAct = "disable" | "enable" | "revoke";

export function ManyKeys({ act, ids, close, done }: { act: ManyAct; ids: string[]; close: () => void; done: () => void }) {
  const say = useSay();
  const bulk = useSend("post", "/api/v1/admin/keys/bulk");
  const [reason, setReason] = useState("");
  const [missing, setMissing] = useState(false);
  const needsReason = act !== "enable";
  const result = bulk.data;
  const leave = () => {
    if (result) done();
    close();
  };
  const send = async () => {
    if (needsReason && !reason.trim()) return setMissing(true);
    const outcome = await bulk.mutateAsync({ body: { action: act, key_ids: ids, ...(reason.trim() ? { reason: reason.trim() } : {}) } }).catch(() => null);
    if (outcome?.failed !== 0) return;
    tell("success", say("n_keys_changed", { count: outcome.successful }));
    done();
    close();
  };
  return (
    <FormDialog title={say(`${act}_n_keys`, { count: ids.length })} submit={say(act)} close={leave} send={send} busy={bulk.isPending} error={bulk.error} danger={act === "revoke"} isDisabled={Boolean(result)}>
      <p>{say(`${act}_keys_text`)}</p>
      {needsReason && <Area label={say("reason")} value={reason} onChange={(value) => { setReason(value); setMissing(false); }} isRequired error={missing ? say("field_required") : undefined} />}
      {result && result.failed > 0 && (
        <div className="lm-failure" role="alert">
          <p>{say("n_succeeded_m_failed", { n: result.successful, m: result.failed })}</p>
          <ul>
            {result.errors.map((error) => (
              <li key={error.key_id}>{error.message}</li>
            ))}
          </ul>
        </div>
      )}
    </FormDialog>
  );
}
