/** What a subscription may use, and until when, as administrators set it. */
import { useState } from "react";
import { FormDialog } from "../../components/Dialog";
import { changesBetween } from "../../components/differences";
import { fieldErrors, Text, Whole } from "../../components/fields";
import { Meter } from "../../components/Meter";
import { useGuardedDialog } from "../../components/useGuarded";
import { call, useGet, useSend, type Reply } from "../../lib/api";
import { daysAgo } from "../../lib/format";
import { useSay } from "../../lib/i18n";

type Held = Reply<"/api/v1/admin/subscriptions/{subscription_id}", "get">;
interface Draft {
  quota_requests: number | null;
  quota_tokens: number | null;
  expires_at: string | null;
}

const draftOf = (held: Held | null): Draft => ({ quota_requests: held?.quota_requests ?? null, quota_tokens: held?.quota_tokens ?? null, expires_at: held?.expires_at ?? null });

/** Read by itself first: a row of a list has no version. */
export function EditSubscription({ id, title, close }: { id: string; title: string; close: () => void }) {
  const read = useGet("/api/v1/admin/subscriptions/{subscription_id}", { path: { subscription_id: id } }, { staleTime: 0 }).data;
  return read ? <Form read={read} title={title} close={close} /> : null;
}

function Form({ read, title, close }: { read: Held; title: string; close: () => void }) {
  const say = useSay();
  const patch = useSend("patch", "/api/v1/admin/subscriptions/{subscription_id}");
  const path = { subscription_id: read.id };
  const { held, first, save, conflict } = useGuardedDialog({
    opened: read,
    valuesOf: draftOf,
    read: () => call("get", "/api/v1/admin/subscriptions/{subscription_id}", { path }),
    change: (mine: Draft, over, headers) => patch.mutateAsync({ path, body: changesBetween(draftOf(over), mine) as never, headers }),
    close,
  });
  const [draft, setDraft] = useState(first);
  const set = (changes: Partial<Draft>) => setDraft({ ...draft, ...changes });
  const errors = fieldErrors(patch.error);
  return (
    <FormDialog title={say("edit_what", { what: title })} submit={say("save")} close={close} send={() => save(draft)} busy={patch.isPending} error={patch.error} conflict={conflict}>
      <p>{say("edit_subscription_text")}</p>
      {held && held.quota_requests !== null && <Meter named unit="count" used={held.used_requests} limit={held.quota_requests} label={say("quota_requests")} />}
      {held && held.quota_tokens !== null && <Meter named unit="count" used={held.used_tokens} limit={held.quota_tokens} label={say("quota_tokens")} />}
      <div className="lm-pair">
        <Whole label={say("quota_requests")} value={draft.quota_requests} onChange={(quota_requests) => set({ quota_requests })} help={say(draft.quota_requests === 0 ? "zero_allows_nothing" : "empty_no_limit")} error={errors["quota_requests"]} />
        <Whole label={say("quota_tokens")} value={draft.quota_tokens} onChange={(quota_tokens) => set({ quota_tokens })} help={say(draft.quota_tokens === 0 ? "zero_allows_nothing" : "empty_no_limit")} error={errors["quota_tokens"]} />
      </div>
      <Text label={say("expires")} type="date" min={daysAgo(-1)} value={draft.expires_at?.slice(0, 10) ?? ""} onChange={(day) => set({ expires_at: day ? `${day}T00:00:00Z` : null })} help={say("empty_is_never")} error={errors["expires_at"]} />
    </FormDialog>
  );
}
