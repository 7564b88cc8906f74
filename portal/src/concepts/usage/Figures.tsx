/** The figures at the top, each with its change against the same span before. Dearer is never shown as good. */
import { Figure } from "../../components/Card";
import type { Reply } from "../../lib/api";
import { compact, count, milliseconds, money, percent } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { Trend } from "./Trend";

type Data = Reply<"/api/v1/usage/analytics", "get">;

export function Figures({ data }: { data: Data }) {
  const say = useSay();
  const { requests, tokens, cost } = data;
  const rate = data.success_rate;
  const tone = rate === null ? "" : rate >= 95 ? "lm-good" : rate >= 85 ? "lm-fair" : "lm-bad";
  return (
    <div className="lm-figures" role="group" aria-label={say("figures")}>
      <Figure name={say("requests")} value={compact(requests.total)} exact={count(requests.total)} note={<Trend trends={data.trends} metric="requests" />} />
      <Figure name={say("total_tokens")} value={compact(tokens.total)} exact={count(tokens.total)} note={<Trend trends={data.trends} metric="total_tokens" />} />
      <Figure name={say("prompt_tokens")} value={compact(tokens.prompt)} exact={count(tokens.prompt)} note={<Trend trends={data.trends} metric="prompt_tokens" />} />
      <Figure name={say("completion_tokens")} value={compact(tokens.completion)} exact={count(tokens.completion)} note={<Trend trends={data.trends} metric="completion_tokens" />} />
      <Figure name={say("cost")} value={money(cost.total_nano)} note={<Trend trends={data.trends} metric="cost_nano" />} />
      <Figure name={say("success_rate")} value={<span className={tone}>{percent(rate)}</span>} note={requests.blocked > 0 ? <small>{say("n_blocked", { count: requests.blocked })}</small> : null} />
      <Figure name={say("latency_p50_p95")} value={`${milliseconds(data.latency?.p50_ms)} / ${milliseconds(data.latency?.p95_ms)}`} />
      {data.total_users !== null && <Figure name={say("active_users")} value={say("n_of_m", { n: data.active_users ?? 0, m: data.total_users })} note={<Trend trends={data.trends} metric="active_users" />} />}
    </div>
  );
}
