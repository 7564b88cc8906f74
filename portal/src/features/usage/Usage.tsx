/** One's own usage: what was spent and when, by model and key. */
import { Card } from "../../components/Card";
import { Meter } from "../../components/Meter";
import { Page } from "../../components/Page";
import { Analytics } from "../../concepts/usage/Analytics";
import { useGet } from "../../lib/api";
import { moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useListState } from "../../lib/listState";

export default function Usage() {
  const say = useSay();
  const list = useListState();
  return (
    <Page title={say("usage")} subtitle={say("usage_subtitle")}>
      <Analytics list={list} scope="me" dimensions={["model", "key"]} extra={<Budgets />} />
    </Page>
  );
}

export function Budgets() {
  const say = useSay();
  const budgets = useGet("/api/v1/usage/budget").data?.data ?? [];
  if (budgets.length === 0) return null;
  return (
    <Card title={say("budgets")} wide>
      <div className="lm-cards">
        {budgets.map((budget) => (
          <div key={`${budget.kind}:${budget.id}`}>
            <strong>{budget.kind === "user" ? say("my_budget") : budget.name}</strong>
            <Meter used={budget.spent_nano} limit={budget.limit_nano} label={budget.name} />
            {budget.resets_at && <small className="lm-subtle">{say("resets_at", { time: moment(budget.resets_at) })}</small>}
          </div>
        ))}
      </div>
    </Card>
  );
}
