/** Why can somebody not work at this moment? As far as it is known. */
import { money, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import type { User } from "./AdminUser";

export function Blocked({ user }: { user: User }) {
  const say = useSay();
  const reasons = [inactive(), usedUp()].filter((one) => one !== null);
  return reasons.map((one) => (
    <p key={one} className="lm-banner lm-warning" role="status">
      {one}
    </p>
  ));

  function inactive(): string | null {
    if (user.is_active) return null;
    if (user.anonymised_at) return say("was_anonymised", { time: moment(user.anonymised_at) });
    const { deactivation } = user;
    if (!deactivation) return say("was_deactivated_unknown");
    const told = { who: deactivation.by, time: moment(deactivation.at) };
    return deactivation.reason ? say("was_deactivated_because", { ...told, reason: deactivation.reason }) : say("was_deactivated", told);
  }

  function usedUp(): string | null {
    const limit = user.limits?.max_budget_nano;
    if (limit == null || (user.spent_nano ?? 0) < limit) return null;
    return [say("budget_is_used_up", { limit: money(limit) }), user.budget_reset_at && say("resets_at", { time: moment(user.budget_reset_at) })].filter(Boolean).join(" ");
  }
}
