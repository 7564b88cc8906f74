/** Somebody else has saved meanwhile: what they made of it beside what is typed here, to choose from, field by field. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { money, moment } from "../lib/format";
import { useSay } from "../lib/i18n";
import type { Key } from "../lib/keys";
import "./conflict.css";
import { differences, merged, type Side } from "./differences";

/** How forms call the members of the API, where it is not the member's own name. */
// prettier-ignore
const WORDS: Record<string, Key> = {
  name: "name", display_name: "display_name", description: "description", provider: "provider", tags: "tags", models: "models", allowed_models: "models", capabilities: "capabilities",
  max_budget_nano: "budget", soft_budget_nano: "soft_budget", budget_duration: "budget_window", tpm_limit: "tpm", rpm_limit: "rpm", max_parallel_requests: "parallel",
  expires_at: "expires", context_length: "context", max_output_tokens: "max_output", input_per_million: "input_price", output_per_million: "output_price",
  quota_requests: "quota_requests", quota_tokens: "quota_tokens", api_base: "api_base", engine_model: "engine_model", weight: "weight", tls_verify: "check_certificate", url: "address", events: "event", is_active: "active",
  grace_hours: "grace_hours", member_default_budget_nano: "budget_per_member", members_may_create_keys: "members_may_create_keys",
  role_admin: "role_admin", role_adminReadonly: "role_adminReadonly", role_user: "role_user", role_readonly: "role_readonly",
};

interface ConflictProps<T> {
  base: T;
  mine: T;
  theirs: T;
  isBusy: boolean;
  save: (settled: T) => void;
  leave: () => void;
}

export function Conflict<T extends object>({ base, mine, theirs, isBusy, save, leave }: ConflictProps<T>) {
  const say = useSay();
  const show = useValue();
  const [chosen, setChosen] = useState<Record<string, Side>>({});
  const rows = differences(base, mine, theirs);
  return (
    <section className="lm-conflict" role="alert" aria-label={say("changed_meanwhile")}>
      <strong>{say("changed_meanwhile")}</strong>
      <p>{say(rows.some((row) => row.isBoth) ? "changed_meanwhile_choose" : "changed_meanwhile_apart")}</p>
      {rows.length > 0 && (
        <div className="lm-scroll" tabIndex={0} role="region" aria-label={say("changed_meanwhile")}>
          <table>
            <thead>
              <tr>
                <th scope="col">{say("field")}</th>
                <th scope="col">{say("saved_by_others")}</th>
                <th scope="col">{say("entered_by_you")}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.path}>
                  <th scope="row">{word(say, row.path)}</th>
                  {(["theirs", "mine"] as const).map((side) => (
                    <td key={side}>
                      {row.isBoth ? (
                        <label>
                          <input type="radio" name={row.path} checked={(chosen[row.path] ?? "mine") === side} onChange={() => setChosen({ ...chosen, [row.path]: side })} /> {show(row.path, row[side])}
                        </label>
                      ) : side === "theirs" ? (
                        show(row.path, row.theirs)
                      ) : (
                        <span className="lm-subtle">{say("not_changed_by_you")}</span>
                      )}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <div className="lm-actions">
        <Button size="sm" isLoading={isBusy} isDisabled={isBusy} onClick={() => save(merged(base, mine, theirs, chosen))}>
          {say("save_choice")}
        </Button>
        <Button size="sm" variant="link" onClick={leave}>
          {say("discard_mine")}
        </Button>
      </div>
    </section>
  );
}

function word(say: ReturnType<typeof useSay>, path: string) {
  const [outer, inner = outer] = path.split(".");
  const known = WORDS[inner!];
  const name = known ? say(known) : <code>{inner}</code>;
  return inner === outer ? name : <>{name} <small className="lm-subtle">({outer})</small></>;
}

function useValue(): (path: string, value: unknown) => string {
  const say = useSay();
  return (path, value) => {
    if (value === null || value === undefined || value === "") return "–";
    if (typeof value === "boolean") return say(value ? "yes" : "no");
    if (typeof value === "number" && /_nano$|_per_million$/.test(path)) return money(value);
    if (typeof value === "string" && path.endsWith("_at")) return moment(value);
    if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value.join(", ") || "–";
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  };
}
