/** The form for a key, for people and administrators alike: what it may call, how long, how much. */
import { useState, type ReactNode } from "react";
import { Link } from "react-router";
import { FormDialog } from "../../components/Dialog";
import { Area, Check, Choice, fieldErrors, Money, Text, Whole } from "../../components/fields";
import { useGet, type ApiError } from "../../lib/api";
import { useDraft } from "../../lib/drafts";
import { day, daysAgo } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { windowOptions } from "../windows";
import { limitsOf, type KeyDraft } from "./draft";
import { ModelLimits } from "./ModelLimits";

const DAYS = [30, 60, 90, 180, 365];

interface KeyFormProps {
  title: string;
  first: KeyDraft;
  /** Names of models that the owner may use. */
  models: string[];
  teams?: { id: string; name: string }[];
  isAdmin?: boolean;
  isNew: boolean;
  close: () => void;
  send: (draft: KeyDraft) => Promise<unknown>;
  onTeam?: (team: string | null) => void;
  busy: boolean;
  error: ApiError | null;
  conflict?: ReactNode;
}

export function KeyForm({ title, first, models, teams = [], isAdmin, isNew, close, send, onTeam, busy, error, conflict }: KeyFormProps) {
  const say = useSay();
  const bounds = useGet("/api/v1/config/keys").data;
  const [draft, setDraft] = useDraft(isNew ? "key" : `key.${first.name}`, first);
  const [expiry, setExpiry] = useState(draft.expires_at ? "date" : "never");
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const errors = { ...fieldErrors(error), ...wrong };
  const most = isAdmin ? undefined : bounds?.maximums;
  const set = (changes: Partial<KeyDraft>) => {
    setDraft({ ...draft, ...changes });
    setWrong({});
  };
  const longest = most?.expiration_days ?? null;
  const spans = DAYS.filter((days) => longest === null || days <= longest);
  const choices = [
    ...(longest === null ? [{ value: "never", text: say("never") }] : []),
    ...spans.map((days) => ({ value: String(days), text: say("n_days", { count: days }) })),
    { value: "date", text: say("until_date") },
  ];
  const choose = (value: string) => {
    setExpiry(value);
    if (value === "never") set({ expires_at: null });
    else if (value !== "date") set({ expires_at: `${daysAgo(-Number(value))}T00:00:00Z` });
  };
  const check = (): Record<string, string> => ({
    ...(draft.name.trim() ? {} : { name: say("field_required") }),
    ...(isNew && draft.models.length === 0 ? { models: say("pick_a_model") } : {}),
    ...(draft.expires_at && Date.parse(draft.expires_at) < Date.now() ? { expires_at: say("must_be_in_future") } : {}),
    ...(draft.soft_budget_nano != null && draft.max_budget_nano != null && draft.soft_budget_nano > draft.max_budget_nano ? { soft_budget_nano: say("not_above_budget") } : {}),
  });
  const submit = async () => {
    const found = check();
    setWrong(found);
    if (Object.keys(found).length > 0) return undefined;
    return send({ ...draft, name: draft.name.trim(), model_limits: limitsOf(draft) });
  };
  return (
    <FormDialog title={title} submit={say(isNew ? "create_key" : "save")} close={close} send={submit} busy={busy} error={error} conflict={conflict} size="large">
      <div className="lm-pair">
        <Text label={say("name")} value={draft.name} maxLength={100} onChange={(name) => set({ name })} isRequired error={errors["name"]} autoFocus />
        {isNew && teams.length > 0 && (
          <Choice
            label={say("owner")}
            value={draft.team_id ?? ""}
            onChange={(team) => {
              set({ team_id: team || null, models: [] });
              onTeam?.(team || null);
            }}
            options={[{ value: "", text: say("me") }, ...teams.map((team) => ({ value: team.id, text: team.name }))]}
          />
        )}
        <Choice label={say("expires")} value={expiry} onChange={choose} options={choices} help={draft.expires_at ? day(draft.expires_at) : undefined} error={errors["expires_at"]} />
        {expiry === "date" && <Text label={say("until_date")} type="date" value={draft.expires_at?.slice(0, 10) ?? ""} min={daysAgo(-1)} onChange={(value) => set({ expires_at: value ? `${value}T00:00:00Z` : null })} />}
      </div>
      <Area label={say("description")} value={draft.description} maxLength={500} rows={2} onChange={(description) => set({ description })} />
      <ModelPicker models={models} picked={draft.models} pick={(picked) => set({ models: picked })} error={errors["models"]} />
      <div className="lm-pair">
        <Money label={say("budget")} value={draft.max_budget_nano} onChange={(value) => set({ max_budget_nano: value })} max={most?.max_budget_nano ?? null} help={draft.max_budget_nano === 0 ? say("zero_allows_nothing") : undefined} error={errors["max_budget_nano"]} />
        {draft.max_budget_nano != null && <Choice label={say("budget_window")} value={draft.budget_duration ?? ""} onChange={(value) => set({ budget_duration: value || null })} options={windowOptions(say, draft.budget_duration)} />}
        <Money label={say("soft_budget")} value={draft.soft_budget_nano} onChange={(value) => set({ soft_budget_nano: value })} help={say("soft_budget_help")} error={errors["soft_budget_nano"]} />
      </div>
      <div className="lm-pair">
        <Whole label={say("tpm")} value={draft.tpm_limit} onChange={(value) => set({ tpm_limit: value })} max={most?.tpm_limit ?? null} error={errors["tpm_limit"]} />
        <Whole label={say("rpm")} value={draft.rpm_limit} onChange={(value) => set({ rpm_limit: value })} max={most?.rpm_limit ?? null} error={errors["rpm_limit"]} />
        <Whole label={say("parallel")} min={1} value={draft.max_parallel_requests} onChange={(value) => set({ max_parallel_requests: value })} max={most?.max_parallel_requests ?? null} error={errors["max_parallel_requests"]} />
      </div>
      {draft.models.length > 0 && <ModelLimits draft={draft} change={(model_limits) => set({ model_limits })} error={errors["model_limits"]} />}
    </FormDialog>
  );
}

function ModelPicker({ models, picked, pick, error }: { models: string[]; picked: string[]; pick: (models: string[]) => void; error: string | undefined }) {
  const say = useSay();
  const [search, setSearch] = useState("");
  const all = [...new Set([...models, ...picked])];
  const shown = all.filter((name) => name.toLowerCase().includes(search.toLowerCase()));
  if (all.length === 0)
    return (
      <p className="lm-banner lm-info">
        {say("no_models_for_key")} <Link to="/models">{say("models")}</Link>
      </p>
    );
  return (
    <fieldset className="lm-field" aria-invalid={error ? true : undefined}>
      <legend>{say("models")} *</legend>
      {all.length > 6 && <input type="search" className="lm-input" aria-label={say("search_models")} placeholder={say("search_models")} value={search} onChange={(event) => setSearch(event.target.value)} />}
      <div className="lm-picks">
        {all.length > 1 && <Check label={say("select_all")} checked={shown.every((name) => picked.includes(name))} onChange={(on) => pick(on ? [...new Set([...picked, ...shown])] : picked.filter((name) => !shown.includes(name)))} />}
        {shown.map((name) => (
          <Check key={name} label={name} checked={picked.includes(name)} onChange={(on) => pick(on ? [...picked, name] : picked.filter((one) => one !== name))} />
        ))}
      </div>
      {error && (
        <small className="lm-bad" role="alert">
          {error}
        </small>
      )}
    </fieldset>
  );
}
