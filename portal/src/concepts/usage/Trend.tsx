/** How has a figure changed against the same span before? Dearer is never shown as good. */
import type { Reply } from "../../lib/api";
import { percent } from "../../lib/format";
import { useSay } from "../../lib/i18n";

type Change = Reply<"/api/v1/usage/analytics", "get">["trends"][number];

export function Trend({ trends, metric }: { trends: Change[]; metric: string }) {
  const say = useSay();
  const change = trends.find((trend) => trend.metric === metric || `${trend.metric}_nano` === metric);
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
