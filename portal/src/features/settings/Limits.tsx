/** What new people, keys, subscriptions and teams get, and the most that people may give themselves. */
import { Choice, fieldErrors, Money, Whole, Check } from "../../components/fields";
import { windowOptions } from "../../concepts/windows";
import type { Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { GroupForm } from "./group";

type All = Reply<"/api/v1/admin/settings", "get">;

function Standard({ group, title }: { group: "users" | "teams"; title: string }) {
  const say = useSay();
  return (
    <GroupForm<All["users"]> group={group} title={title}>
      {({ values, change, error }) => {
        const errors = fieldErrors(error);
        return (
          <div className="lm-pair">
            <Money label={say("budget")} value={values.max_budget_nano ?? null} onChange={(value) => change({ max_budget_nano: value })} error={errors["max_budget_nano"]} />
            <Choice label={say("budget_window")} value={values.budget_duration ?? ""} onChange={(value) => change({ budget_duration: value || null })} options={windowOptions(say, values.budget_duration)} />
            <Whole label={say("tpm")} value={values.tpm_limit ?? null} onChange={(value) => change({ tpm_limit: value })} error={errors["tpm_limit"]} />
            <Whole label={say("rpm")} value={values.rpm_limit ?? null} onChange={(value) => change({ rpm_limit: value })} error={errors["rpm_limit"]} />
          </div>
        );
      }}
    </GroupForm>
  );
}

export default function Limits() {
  const say = useSay();
  return (
    <div className="lm-columns">
      <Standard group="users" title={say("new_users_get")} />
      <Standard group="teams" title={say("new_teams_get")} />
      <Keys />
      <GroupForm<All["counts"]> group="counts" title={say("number_of_keys")}>
        {({ values, change }) => (
          <div className="lm-pair">
            <Whole label={say("keys_per_user")} value={values.keys_per_user ?? 0} onChange={(value) => change({ keys_per_user: value ?? 0 })} max={100_000} />
            <Whole label={say("keys_per_team")} value={values.keys_per_team ?? 0} onChange={(value) => change({ keys_per_team: value ?? 0 })} max={100_000} />
          </div>
        )}
      </GroupForm>
      <GroupForm<All["subscriptions"]> group="subscriptions" title={say("new_subscriptions_get")}>
        {({ values, change }) => (
          <div className="lm-pair">
            <Whole label={say("quota_requests")} value={values.quota_requests ?? null} onChange={(value) => change({ quota_requests: value })} />
            <Whole label={say("quota_tokens")} value={values.quota_tokens ?? null} onChange={(value) => change({ quota_tokens: value })} />
            <Whole label={say("max_of", { what: say("quota_requests") })} value={values.max_quota_requests ?? null} onChange={(value) => change({ max_quota_requests: value })} />
            <Whole label={say("max_of", { what: say("quota_tokens") })} value={values.max_quota_tokens ?? null} onChange={(value) => change({ max_quota_tokens: value })} />
          </div>
        )}
      </GroupForm>
    </div>
  );
}

type KeyNumbers = "tpm_limit" | "rpm_limit" | "max_parallel_requests" | "expiration_days";

function Keys() {
  const say = useSay();
  const names: [KeyNumbers, string][] = [
    ["tpm_limit", say("tpm")],
    ["rpm_limit", say("rpm")],
    ["max_parallel_requests", say("parallel")],
    ["expiration_days", say("expiry_days")],
  ];
  return (
    <GroupForm<All["api_keys"]> group="api-keys" title={say("keys_defaults_and_maximums")}>
      {({ values, change }) => {
        const defaults = values.defaults ?? {};
        const maximums = values.maximums ?? {};
        return (
          <>
            <div className="lm-pair">
              <Money label={say("default_of", { what: say("budget") })} value={defaults.max_budget_nano ?? null} onChange={(value) => change({ defaults: { ...defaults, max_budget_nano: value } })} max={maximums.max_budget_nano ?? null} />
              <Money label={say("max_of", { what: say("budget") })} value={maximums.max_budget_nano ?? null} onChange={(value) => change({ maximums: { ...maximums, max_budget_nano: value } })} />
              <Choice label={say("default_of", { what: say("budget_window") })} value={defaults.budget_duration ?? ""} onChange={(value) => change({ defaults: { ...defaults, budget_duration: value || null } })} options={windowOptions(say, defaults.budget_duration)} />
            </div>
            {names.map(([name, title]) => (
              <div className="lm-pair" key={name}>
                <Whole label={say("default_of", { what: title })} value={defaults[name] ?? null} onChange={(value) => change({ defaults: { ...defaults, [name]: value } })} max={maximums[name] ?? null} />
                <Whole label={say("max_of", { what: title })} value={maximums[name] ?? null} onChange={(value) => change({ maximums: { ...maximums, [name]: value } })} />
              </div>
            ))}
            <div className="lm-pair">
              <Whole label={say("default_of", { what: say("grace_hours") })} value={values.grace_hours ?? 24} onChange={(value) => change({ grace_hours: value ?? 24 })} max={values.max_grace_hours ?? 168} />
              <Whole label={say("max_of", { what: say("grace_hours") })} value={values.max_grace_hours ?? 168} onChange={(value) => change({ max_grace_hours: value ?? 168 })} max={168} />
            </div>
            <Check label={say("keys_can_be_revealed")} checked={values.reveal ?? true} onChange={(on) => change({ reveal: on })} />
          </>
        );
      }}
    </GroupForm>
  );
}
