/** Roles and limits of one person, and their spend. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Card } from "../../components/Card";
import { Confirm } from "../../components/Dialog";
import { Check, Choice, fieldErrors, Money, Whole } from "../../components/fields";
import { GuardedForm } from "../../components/GuardedForm";
import { Meter } from "../../components/Meter";
import { ROLES, type RoleName } from "../../concepts/roles";
import { windowOptions } from "../../concepts/windows";
import { changesBetween } from "../../components/differences";
import { useGuardedForm } from "../../components/useGuarded";
import { call, useSend } from "../../lib/api";
import { moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import type { User } from "./AdminUser";

type Granted = Record<`role_${RoleName}`, boolean>;

/** One by one: of two administrators who give different roles at once, neither takes back what the other gave. */
const grantedTo = ({ granted_roles }: Pick<User, "granted_roles">) => Object.fromEntries(ROLES.map((role) => [`role_${role}`, granted_roles.includes(role)])) as Granted;

export function Roles({ user }: { user: User }) {
  const say = useSay();
  const may = useMay()("admin:users:write");
  const patch = useSend("patch", "/api/v1/admin/users/{user_id}");
  const path = { user_id: user.id };
  const form = useGuardedForm(user, {
    valuesOf: grantedTo,
    read: () => call("get", "/api/v1/admin/users/{user_id}", { path }),
    send: (mine, _over, headers) => patch.mutateAsync({ path, body: { granted_roles: ROLES.filter((role) => mine[`role_${role}`]) } as never, headers }),
  });
  const derived = (role: RoleName) => user.derived_roles.includes(role);
  const holds = (role: RoleName) => derived(role) || form.values[`role_${role}`];
  return (
    <Card title={say("roles")}>
      <GuardedForm form={form} may={may} sending={patch}>
        {ROLES.map((role) => (
          <Check key={role} label={say(`role_${role}`)} help={derived(role) ? say("from_group") : undefined} checked={holds(role)} isDisabled={!may || derived(role)} onChange={(on) => form.change({ ...form.values, [`role_${role}`]: on })} />
        ))}
        {holds("admin") && holds("adminReadonly") && <p className="lm-banner lm-warning">{say("roles_conflict")}</p>}
      </GuardedForm>
    </Card>
  );
}

interface Limits {
  max_budget_nano: number | null;
  budget_duration: string | null;
  tpm_limit: number | null;
  rpm_limit: number | null;
}

function limitsOf({ limits }: User): Limits {
  return { max_budget_nano: limits?.max_budget_nano ?? null, budget_duration: limits?.budget_duration ?? null, tpm_limit: limits?.tpm_limit ?? null, rpm_limit: limits?.rpm_limit ?? null };
}

export function UserLimits({ user }: { user: User }) {
  const say = useSay();
  const may = useMay()("admin:users:write");
  const patch = useSend("patch", "/api/v1/admin/users/{user_id}");
  const reset = useSend("post", "/api/v1/admin/users/{user_id}/reset-spend");
  const [asking, setAsking] = useState(false);
  const errors = fieldErrors(patch.error);
  const path = { user_id: user.id };
  const form = useGuardedForm(user, {
    valuesOf: limitsOf,
    read: () => call("get", "/api/v1/admin/users/{user_id}", { path }),
    send: (mine, over, headers) => patch.mutateAsync({ path, body: changesBetween(limitsOf(over), mine) as never, headers }),
  });
  const limits = form.values;
  const set = (changes: Partial<Limits>) => form.change({ ...limits, ...changes });
  return (
    <div className="lm-columns">
      <Card title={say("spend")}>
        <Meter used={user.spent_nano} limit={user.limits?.max_budget_nano} label={say("budget")} />
        {user.budget_reset_at && <p className="lm-subtle">{say("resets_at", { time: moment(user.budget_reset_at) })}</p>}
        {may && (
          <div>
            <Button variant="secondary" onClick={() => setAsking(true)}>
              {say("reset_spend")}
            </Button>
          </div>
        )}
      </Card>
      <Card title={say("limits")}>
        <GuardedForm form={form} may={may} sending={patch}>
          <div className="lm-pair">
            <Money label={say("budget")} value={limits.max_budget_nano} onChange={(value) => set({ max_budget_nano: value })} help={say("empty_no_limit")} error={errors["max_budget_nano"]} />
            <Choice label={say("budget_window")} value={limits.budget_duration ?? ""} onChange={(value) => set({ budget_duration: value || null })} options={windowOptions(say, limits.budget_duration)} />
            <Whole label={say("tpm")} value={limits.tpm_limit} onChange={(value) => set({ tpm_limit: value })} help={say("empty_no_limit")} error={errors["tpm_limit"]} />
            <Whole label={say("rpm")} value={limits.rpm_limit} onChange={(value) => set({ rpm_limit: value })} help={say("empty_no_limit")} error={errors["rpm_limit"]} />
          </div>
        </GuardedForm>
      </Card>
      {asking && <Confirm title={say("reset_spend")} text={say("reset_spend_text")} submit={say("reset_spend")} reason="required" close={() => setAsking(false)} act={(reason) => reset.mutateAsync({ path, body: { reason } })} />}
    </div>
  );
}
