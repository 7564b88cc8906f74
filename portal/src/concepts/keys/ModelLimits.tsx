/** Limits of single models on a key, folded away: most keys need none. Each is within the key's own. */
import { Money, Whole } from "../../components/fields";
import { useSay } from "../../lib/i18n";
import { limitsOf, type KeyDraft, type ModelLimit } from "./draft";

export function ModelLimits({ draft, change, error }: { draft: KeyDraft; change: (limits: Record<string, ModelLimit>) => void; error: string | undefined }) {
  const say = useSay();
  const set = (name: string, changes: ModelLimit) => change({ ...draft.model_limits, [name]: { ...draft.model_limits[name], ...changes } });
  const many = Object.keys(limitsOf(draft)).length;
  return (
    <details className="lm-more" open={error ? true : undefined}>
      <summary>{many ? say("model_limits_n", { count: many }) : say("model_limits")}</summary>
      {error && (
        <p className="lm-bad" role="alert">
          {error}
        </p>
      )}
      {draft.models.map((name) => {
        const limit = draft.model_limits[name] ?? {};
        return (
          <fieldset key={name} className="lm-field">
            <legend>{name}</legend>
            <div className="lm-pair">
              <Money label={say("budget")} value={limit.max_budget_nano ?? null} onChange={(value) => set(name, { max_budget_nano: value, budget_duration: value === null ? null : draft.budget_duration })} max={draft.max_budget_nano} />
              <Whole label={say("tpm")} value={limit.tpm ?? null} onChange={(tpm) => set(name, { tpm })} max={draft.tpm_limit} />
              <Whole label={say("rpm")} value={limit.rpm ?? null} onChange={(rpm) => set(name, { rpm })} max={draft.rpm_limit} />
            </div>
          </fieldset>
        );
      })}
    </details>
  );
}
