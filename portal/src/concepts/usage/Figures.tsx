/** The figures at the top, each with its change against the same span before. Dearer is never shown as good. */
import { Figure } from "../../components/Card";
import type { Reply } from "../../lib/api";
import { compact, count, milliseconds, money, percent } from "../../lib/format";
import { useSay } from "../../lib/i18n";

type Data = Reply<"/api/v1/usage/analytics", "get">;

export function Figures({ data }: { data: Data }) {
  const say = useSay();
  const { requests, tokens, cost } = data;
  const rate = data.success_rate;
  const tone = rate === null ? "" : rate >= 95 ? "lm-good" : rate >= 85 ? "lm-fair" : "lm-bad";
  return (
    <div className="lm-figures" role="group" aria-label={say("figures")}>
      <Figure name={say("requests")} value={compact(requests.total)} exact={count(requests.total)} note={<Trend data={data} metric="requests" />} />
      <Figure name={say("total_tokens")} value={compact(tokens.total)} exact={count(tokens.total)} note={<Trend data={data} metric="total_tokens" />} />
      <Figure name={say("prompt_tokens")} value={compact(tokens.prompt)} exact={count(tokens.prompt)} note={<Trend data={data} metric="prompt_tokens" />} />
      <Figure name={say("completion_tokens")} value={compact(tokens.completion)} exact={count(tokens.completion)} note={<Trend data={data} metric="completion_tokens" />} />
      <Figure name={say("cost")} value={money(cost.total_nano)} note={<Trend data={data} metric="cost_nano" />} />
      <Figure name={say("success_rate")} value={<span className={tone}>{percent(rate)}</span>} note={requests.blocked > 0 ? <small>{say("n_blocked", { count: requests.blocked })}</small> : null} />
      <Figure name={say("latency_p50_p95")} value={`${milliseconds(data.latency?.p50_ms)} / ${milliseconds(data.latency?.p95_ms)}`} />
      {data.total_users !== null && <Figure name={say("active_users")} value={say("n_of_m", { n: data.active_users ?? 0, m: data.total_users })} note={<Trend data={data} metric="active_users" />} />}
    </div>
  );
}

function Trend({ data, metric }: { data: Data; metric: string }) {
  const say = useSay();
  const change = data.trends.find((trend) => trend.metric === metric || `${trend.metric}_nano` === metric);
  if (!change || change.previous === null || change.previous === undefined) return null;
  if (change.percentage_change === null || change.percentage_change === undefined) return change.direction === "up" ? <small className="lm-subtle">{say("new")}</small> : null;
  const arrow = { up: "↑", down: "↓", stable: "→" }[change.direction];
  const tone = metric === "cost_nano" && change.direction !== "stable" ? (change.direction === "up" ? "lm-fair" : "lm-good") : "lm-subtle";
  return (
    <small className={tone}>
      <span aria-hidden="true">{arrow}</span> {say(`trend_${change.direction}`, { change: percent(Math.abs(change.percentage_change)) })}
    </small>
  );
}
