/** The form for a team: name, budget, limits, models. */
import { useState } from "react";
import { useNavigate } from "react-router";
import { FormDialog } from "../../components/Dialog";
import { Area, Check, Choice, fieldErrors, Money, Text, Whole } from "../../components/fields";
import { windowOptions } from "../../concepts/windows";
import { Loaded } from "../../components/States";
import { changesBetween } from "../../components/differences";
import { useGuardedDialog } from "../../components/useGuarded";
import { call, useGet, useSend, type Reply } from "../../lib/api";
import { useDraft } from "../../lib/drafts";
import { useSay } from "../../lib/i18n";

export type Team = Reply<"/api/v1/teams/{team_id}", "get">;

function draftOf(team: Team | null) {
  return {
    name: team?.name ?? "",
    description: team?.description ?? "",
    max_budget_nano: team?.max_budget_nano ?? null,
    budget_duration: team ? team.budget_duration : "monthly",
    tpm_limit: team?.tpm_limit ?? null,
    rpm_limit: team?.rpm_limit ?? null,
    max_parallel_requests: team?.max_parallel_requests ?? null,
    member_default_budget_nano: team?.member_default_budget_nano ?? null,
    members_may_create_keys: team?.members_may_create_keys ?? true,
    allowed_models: team?.allowed_models ?? null,
  };
}

export function TeamForm({ team, close }: { team: Team | null; close: () => void }) {
  const say = useSay();
  const navigate = useNavigate();
  const create = useSend("post", "/api/v1/teams");
  const patch = useSend("patch", "/api/v1/teams/{team_id}");
  const path = { team_id: team?.id ?? "" };
  const { first, save, conflict } = useGuardedDialog<Team, ReturnType<typeof draftOf>, Team>({
    opened: team,
    valuesOf: draftOf,
    read: () => call("get", "/api/v1/teams/{team_id}", { path }),
    change: (mine, over, headers) => patch.mutateAsync({ path, body: changesBetween(draftOf(over), mine) as never, headers }),
    create: (mine) => create.mutateAsync({ body: mine as never }),
    close,
    done: (made) => {
      if (!team) void navigate(`/teams/${made.id}`);
    },
  });
  const [draft, setDraft] = useDraft(`team.${team?.id ?? "new"}`, first);
  const [missing, setMissing] = useState(false);
  const set = (changes: Partial<typeof draft>) => setDraft({ ...draft, ...changes });
  const error = create.error ?? patch.error;
  const errors = fieldErrors(error);
  const send = async () => (draft.name.trim() ? save(draft) : setMissing(true));
  return (
    <FormDialog title={say(team ? "edit_team" : "create_team")} submit={say("save")} close={close} send={send} busy={create.isPending || patch.isPending} error={error} conflict={conflict} size="large">
      <Text label={say("name")} value={draft.name} maxLength={100} onChange={(name) => { set({ name }); setMissing(false); }} isRequired error={missing ? say("field_required") : errors["name"]} />
      <Area label={say("description")} value={draft.description} maxLength={500} onChange={(description) => set({ description })} />
      <div className="lm-pair">
        <Money label={say("budget")} value={draft.max_budget_nano} onChange={(value) => set({ max_budget_nano: value })} help={say("empty_no_limit")} error={errors["max_budget_nano"]} />
        <Choice label={say("budget_window")} value={draft.budget_duration ?? ""} onChange={(value) => set({ budget_duration: value || null })} options={windowOptions(say, draft.budget_duration)} />
        <Money label={say("budget_per_member")} value={draft.member_default_budget_nano} onChange={(value) => set({ member_default_budget_nano: value })} help={say("empty_no_limit")} />
      </div>
      <div className="lm-pair">
        <Whole label={say("tpm")} value={draft.tpm_limit} onChange={(value) => set({ tpm_limit: value })} error={errors["tpm_limit"]} />
        <Whole label={say("rpm")} value={draft.rpm_limit} onChange={(value) => set({ rpm_limit: value })} error={errors["rpm_limit"]} />
        <Whole label={say("parallel")} value={draft.max_parallel_requests} onChange={(value) => set({ max_parallel_requests: value })} />
      </div>
      <Check label={say("all_models_allowed")} checked={draft.allowed_models === null} onChange={(on) => set({ allowed_models: on ? null : [] })} />
      {draft.allowed_models !== null && <ModelList picked={draft.allowed_models} pick={(allowed_models) => set({ allowed_models })} />}
      <Check label={say("members_may_create_keys")} checked={draft.members_may_create_keys} onChange={(on) => set({ members_may_create_keys: on })} />
    </FormDialog>
  );
}

/** Which models the team may use; those that are not there any more can still be taken away. */
function ModelList({ picked, pick }: { picked: string[]; pick: (models: string[]) => void }) {
  const say = useSay();
  const found = useGet("/api/v1/models", { query: { limit: 100 } });
  return (
    <fieldset className="lm-field">
      <legend>{say("models")}</legend>
      <Loaded query={found}>
        {({ data }) => (
          <div className="lm-picks">
            {[...new Set([...data.map((model) => model.name), ...picked])].map((name) => (
              <Check key={name} label={name} checked={picked.includes(name)} onChange={(on) => pick(on ? [...picked, name] : picked.filter((one) => one !== name))} />
            ))}
          </div>
        )}
      </Loaded>
      {picked.length === 0 && <small className="lm-fair">{say("no_model_allowed")}</small>}
    </fieldset>
  );
}
