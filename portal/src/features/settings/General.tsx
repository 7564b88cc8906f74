/** Sessions, retention, catalogue, ranges of analytics, chargeback: small groups together. */
import { Check, Text, Whole } from "../../components/fields";
import type { Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { GroupForm } from "./group";
import { KeptAnswers } from "./KeptAnswers";

type All = Reply<"/api/v1/admin/settings", "get">;

export default function General() {
  const say = useSay();
  return (
    <div className="lm-columns">
      <GroupForm<All["sessions"]> group="sessions" title={say("sessions")}>
        {({ values, change }) => (
          <div className="lm-pair">
            <Whole label={say("session_hours")} min={1} max={24} value={values.hours ?? 8} onChange={(value) => change({ hours: value ?? 8 })} />
            <Whole label={say("session_max_hours")} min={1} max={168} value={values.max_hours ?? 24} onChange={(value) => change({ max_hours: value ?? 24 })} />
            <Whole label={say("sessions_per_user")} min={1} max={100} value={values.per_user ?? 10} onChange={(value) => change({ per_user: value ?? 10 })} />
            <Whole label={say("recent_minutes")} min={1} max={120} value={values.recent_minutes ?? 15} onChange={(value) => change({ recent_minutes: value ?? 15 })} />
          </div>
        )}
      </GroupForm>
      <GroupForm<All["retention"]> group="retention" title={say("retention")}>
        {({ values, change }) => (
          <div className="lm-pair">
            <Whole label={say("audit_days")} min={90} max={36_500} value={values.audit_days ?? 365} onChange={(value) => change({ audit_days: value ?? 365 })} />
            <Whole label={say("request_log_days")} min={1} max={36_500} value={values.request_log_days ?? 30} onChange={(value) => change({ request_log_days: value ?? 30 })} />
            <Whole label={say("captured_payload_days")} min={1} max={30} value={values.captured_payload_days ?? 7} onChange={(value) => change({ captured_payload_days: value ?? 7 })} />
          </div>
        )}
      </GroupForm>
      <GroupForm<All["analytics"]> group="analytics" title={say("usage_analytics")}>
        {({ values, change }) => (
          <div className="lm-pair">
            <Whole label={say("max_days")} min={1} max={36_500} value={values.max_days ?? 90} onChange={(value) => change({ max_days: value ?? 90 })} />
            <Whole label={say("max_export_days")} min={1} max={36_500} value={values.max_export_days ?? 365} onChange={(value) => change({ max_export_days: value ?? 365 })} />
          </div>
        )}
      </GroupForm>
      <GroupForm<All["catalogue"]> group="catalogue" title={say("models")}>
        {({ values, change }) => <Check label={say("public_catalogue")} checked={values.public_catalogue ?? false} onChange={(on) => change({ public_catalogue: on })} />}
      </GroupForm>
      <GroupForm<All["chargeback"]> group="chargeback" title={say("chargeback")}>
        {({ values, change }) => (
          <div className="lm-pair">
            <Text label={say("operator")} maxLength={100} value={values.operator ?? ""} onChange={(operator) => change({ operator })} />
            <Text label={say("billing_account_id")} maxLength={100} value={values.billing_account_id ?? ""} onChange={(value) => change({ billing_account_id: value })} />
            <Text label={say("billing_account_name")} maxLength={100} value={values.billing_account_name ?? ""} onChange={(value) => change({ billing_account_name: value })} />
          </div>
        )}
      </GroupForm>
      <KeptAnswers />
    </div>
  );
}
