/** The page of usage, in one's own scope or in everybody's: filters, figures, charts, tables. */
import { lazy, useState, type ReactNode } from "react";
import { ChartCard } from "../../components/charts/ChartCard";
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Link } from "react-router";
import { Empty, Failure, Loading } from "../../components/States";
import { useGet } from "../../lib/api";
import { compact, count, moment, money, shortDay } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import type { Key } from "../../lib/keys";
import type { ListState } from "../../lib/listState";
import { useZone } from "../../lib/product";
import { BreakdownTable, type Dimension } from "./BreakdownTable";
import { Figures } from "./Figures";
import { Heat } from "./Heat";
import { ErrorChart, LatencyChart } from "./Performance";
import { many, rangeOf } from "./range";
import { UsageFilters } from "./UsageFilters";

const Charts = lazy(() => import("../../components/charts/Charts"));
export const METRICS = ["requests", "total_tokens", "prompt_tokens", "completion_tokens", "cost_nano"] as const;
export type Metric = (typeof METRICS)[number];
export const METRIC_NAMES: Record<Metric, Key> = {
  requests: "requests",
  total_tokens: "total_tokens",
  prompt_tokens: "prompt_tokens",
  completion_tokens: "completion_tokens",
  cost_nano: "cost",
};

export function usageQuery(list: ListState, scope: string) {
  return {
    scope,
    ...rangeOf(list),
    models: many(list, "models"),
    keys: many(list, "keys"),
    users: many(list, "users"),
    teams: many(list, "teams"),
    cost_centres: many(list, "cost_centres"),
    workshops: many(list, "workshops"),
  };
}

export function Analytics({ list, scope, dimensions, extra }: { list: ListState; scope: string; dimensions: Dimension[]; extra?: ReactNode }) {
  const say = useSay();
  const query = usageQuery(list, scope);
  const found = useGet("/api/v1/usage/analytics", { query }, { keep: true });
  const [metric, setMetric] = useState<Metric>("requests");
  const choice = (
    <select className="lm-select" aria-label={say("metric")} value={metric} onChange={(event) => setMetric(event.target.value as Metric)}>
      {METRICS.map((name) => (
        <option key={name} value={name}>
          {say(METRIC_NAMES[name])}
        </option>
      ))}
    </select>
  );
  const file = (kind: string) => `usage-${kind}-${query.start_date}-to-${query.end_date}`;
  const data = found.data;
  return (
    <>
      <UsageFilters list={list} query={query} />
      {found.error && !data && <Failure error={found.error} retry={() => void found.refetch()} />}
      {!data && !found.error && <Loading rows={8} />}
      {data && (
        <div className={found.isPlaceholderData ? "lm-stack lm-busy" : "lm-stack"} aria-busy={found.isFetching}>
          <Figures data={data} />
          {extra}
          {data.requests.total + data.requests.blocked === 0 && <Empty title={say("no_usage_in_period")} text={say("no_usage_text")} action={list.isNarrowed ? <Button variant="secondary" onClick={list.clear}>{say("clear_filters")}</Button> : scope === "me" && <Link to="/playground">{say("start_playground")}</Link>} />}
          {data.requests.total + data.requests.blocked > 0 && <Charted {...{ data, query, metric, choice, dimensions, file }} />}
          <p className="lm-subtle">
            {say("as_of", { time: moment(data.as_of) })} {!data.period.complete && say("period_incomplete")}
          </p>
        </div>
      )}
    </>
  );
}

type Data = NonNullable<ReturnType<typeof useGet<"/api/v1/usage/analytics">>["data"]>;

interface ChartedProps {
  data: Data;
  query: ReturnType<typeof usageQuery>;
  metric: Metric;
  choice: ReactNode;
  dimensions: Dimension[];
  file: (kind: string) => string;
}

/** The charts and tables; only where there was a call. */
function Charted({ data, query, metric, choice, dimensions, file }: ChartedProps) {
  const say = useSay();
  const days = say("days_of_zone", { zone: useZone() });
  const showY = metric === "cost_nano" ? money : compact;
  const exact = metric === "cost_nano" ? money : count;
  const name = say(METRIC_NAMES[metric]);
  return (
    <>
      <ChartCard
        title={say("usage_over_time")}
        note={days}
        aside={choice}
        file={file("day")}
        summary={say("chart_summary", {
          name,
          points: data.daily.length,
          least: exact(Math.min(...data.daily.map((day) => day[metric]))),
          most: exact(Math.max(...data.daily.map((day) => day[metric]))),
        })}
        grid={{
          head: [say("date"), ...METRICS.map((one) => say(METRIC_NAMES[one]))],
          rows: data.daily.map((day) => [day.date, ...METRICS.map((one) => day[one])]),
          show: (value, column) => (column === 0 ? shortDay(String(value)) : column === 5 ? money(Number(value)) : count(Number(value))),
        }}
      >
        <Charts kind="lines" label={say("usage_over_time")} lines={[{ name, points: data.daily.map((day) => ({ x: day.date, y: day[metric] })) }]} showX={shortDay} showY={showY} />
      </ChartCard>
      <ByModel data={data} metric={metric} name={name} file={file("models")} />
      <LatencyChart daily={data.daily} scope={query.scope} file={file("latency")} />
      <ErrorChart query={query} file={file("errors")} />
      <Heat query={query} metric={metric} file={file("heatmap")} />
      {dimensions.map((dimension) => (
        <BreakdownTable key={dimension} dimension={dimension} query={query} />
      ))}
    </>
  );
}

function ByModel({ data, metric, name, file }: { data: Data; metric: Metric; name: string; file: string }) {
  const say = useSay();
  const zone = useZone();
  const showY = metric === "cost_nano" ? money : compact;
  const value = (row: Data["daily_models"][number]) => row[metric === "requests" ? "requests" : metric];
  const title = (row: { model: string | null; is_rest: boolean }) => (row.is_rest ? say("others") : (row.model ?? say("none")));
  const names = [...new Set(data.daily_models.map(title))];
  const days = data.daily.map((day) => day.date);
  const at = new Map(data.daily_models.map((row) => [`${row.date} ${title(row)}`, value(row)]));
  const lines = names.map((model) => ({ name: model, points: days.map((x) => ({ x, y: at.get(`${x} ${model}`) ?? 0 })) }));
  const totals = lines
    .map((line) => ({ name: line.name, sum: line.points.reduce((all, point) => all + point.y, 0) }))
    .sort((a, b) => b.sum - a.sum);
  const sum = totals.reduce((all, one) => all + one.sum, 0);
  if (names.length === 0) return null;
  return (
    <>
      <ChartCard
        title={say("by_model_over_time")}
        note={say("days_of_zone", { zone })}
        file={file}
        summary={say("top_item", { name: totals[0]?.name ?? "", value: showY(totals[0]?.sum ?? 0) })}
        grid={{
          head: [say("date"), ...names],
          rows: days.map((x) => [x, ...names.map((model) => at.get(`${x} ${model}`) ?? 0)]),
          show: (cell, column) => (column === 0 ? shortDay(String(cell)) : showY(Number(cell))),
        }}
      >
        <Charts kind="stack" label={say("by_model_over_time")} lines={lines} showX={shortDay} showY={showY} />
      </ChartCard>
      <ChartCard
        title={say("share_of_models")}
        file={`${file}-share`}
        summary={say("top_item", { name: totals[0]?.name ?? "", value: showY(totals[0]?.sum ?? 0) })}
        grid={{ head: [say("model"), name], rows: totals.map((one) => [one.name, one.sum]), show: (cell, column) => (column === 0 ? String(cell) : showY(Number(cell))) }}
      >
        <Charts kind="donut" label={say("share_of_models")} lines={totals.map((one) => ({ name: one.name, points: [{ x: "", y: one.sum }] }))} showX={String} showY={showY} total={showY(sum)} />
      </ChartCard>
    </>
  );
}
