/** Making a key: the form, then the secret with code that works at once. */
import { useState } from "react";
import { useGet, useSend } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { daysAgo } from "../../lib/format";
import { EMPTY_KEY, type KeyDraft } from "./draft";
import { KeyForm } from "./KeyForm";
import { Secret } from "./Secret";

export function CreateKey({ model, team: fixedTeam = null, close }: { model: string; team?: string | null; close: () => void }) {
  const say = useSay();
  const [team, setTeam] = useState<string | null>(fixedTeam);
  const create = useSend("post", "/api/v1/keys");
  const bounds = useGet("/api/v1/config/keys").data;
  const own = useGet("/api/v1/subscriptions", { query: { limit: 100, statuses: ["active"] } }, { enabled: team === null });
  const ofTeam = useGet("/api/v1/teams/{team_id}/subscriptions", { path: { team_id: team ?? "" }, query: { limit: 100 } as never }, { enabled: team !== null });
  const teams = useGet("/api/v1/teams", { query: { limit: 100 } }).data?.data ?? [];
  const found = (team === null ? own.data : ofTeam.data)?.data;
  if (create.data) return <Secret title={say("key_created")} secret={create.data.secret} keyShown={create.data.key} close={close} />;
  if (!found || !bounds) return null;
  const models = found.filter((one) => one.status === "active").map((one) => one.model.name);
  const { defaults } = bounds;
  const first: KeyDraft = {
    ...EMPTY_KEY,
    team_id: team,
    models: models.includes(model) ? [model] : models.length === 1 ? models : [],
    max_budget_nano: defaults.max_budget_nano ?? null,
    budget_duration: defaults.budget_duration ?? null,
    soft_budget_nano: defaults.soft_budget_nano ?? null,
    tpm_limit: defaults.tpm_limit ?? null,
    rpm_limit: defaults.rpm_limit ?? null,
    max_parallel_requests: defaults.max_parallel_requests ?? null,
    expires_at: defaults.expiration_days ? `${daysAgo(-defaults.expiration_days)}T00:00:00Z` : null,
  };
  const send = (draft: KeyDraft) => create.mutateAsync({ body: draft as never }).catch(() => undefined);
  return (
    <KeyForm
      title={say("create_key")}
      first={first}
      models={models}
      teams={fixedTeam ? [] : teams.filter((one) => one.role === "admin" || (one.role === "member" && one.members_may_create_keys))}
      isNew
      close={close}
      send={send}
      onTeam={setTeam}
      busy={create.isPending}
      error={create.error}
    />
  );
}
