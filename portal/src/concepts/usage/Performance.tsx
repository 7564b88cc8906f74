/** How fast were answers, and what went wrong? Latency and time to first token per day; failed and refused calls by code. */
import { lazy } from "react";
import { ChartCard } from "../../components/charts/ChartCard";
import { useGet, type Reply } from "../../lib/api";
import { count, daysAgo, milliseconds, shortDay } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useZone } from "../../lib/product";
import type { usageQuery } from "./Analytics";

const Charts = lazy(() => import("../../components/charts/Charts"));
type Day = Reply<"/api/v1/usage/analytics", "get">["daily"][number];
type Query = Partial<ReturnType<typeof usageQuery>>;

/** Errors told apart by name; what is seldom is one of "others". */
const CODES = 8;

export function LatencyChart({ daily, scope, file }: { daily: Day[]; scope: string; file: string }) {
  const say = useSay();
  const zone = useZone();
  const lines = (["duration", "ttft"] as const).flatMap((kind) =>
    (["p50_ms", "p95_ms"] as const).map((part) => ({
      name: `${say(kind === "ttft" ? "ttft" : "latency")} ${part.slice(0, 3)}`,
      points: daily.map((day) => ({ x: day.date, y: day.latency?.[kind][part] ?? null })),
    })),
  );
  const known = lines[1]!.points.flatMap(({ y }) => (y === null ? [] : [y]));
  if (known.length === 0) return null;
  return (
    <ChartCard
      title={say("latency_over_time")}
      note={`${say(scope === "me" ? "of_own_successful_calls" : "of_successful_calls")} ${say("days_of_zone", { zone })}`}
      file={file}
      summary={say("chart_summary", { name: lines[1]!.name, points: known.length, least: milliseconds(Math.min(...known)), most: milliseconds(Math.max(...known)) })}
      grid={{
        head: [say("date"), ...lines.map((line) => `${line.name} (ms)`)],
        rows: daily.map((day, row) => [day.date, ...lines.map((line) => line.points[row]!.y)]),
        show: (value, column) => (column === 0 ? shortDay(String(value)) : milliseconds(value as number | null)),
      }}
    >
      <Charts kind="lines" label={say("latency_over_time")} lines={lines} showX={shortDay} showY={milliseconds} />
    </ChartCard>
  );
}

export function ErrorChart({ query, file }: { query: Query; file: string }) {
  const say = useSay();
  const zone = useZone();
  const found = useGet("/api/v1/usage/timeseries", { query: { ...query, group_by: "error", top_n: CODES } }, { keep: true }).data;
  if (!found) return null;
  const sums = new Map<string, Map<string, number>>();
  for (const point of found.data)
    for (const group of point.groups ?? []) {
      const wrong = group.failed_requests + group.blocked_requests;
      const name = group.is_rest ? say("others") : (group.id ?? say("none"));
      if (wrong > 0) sums.set(name, (sums.get(name) ?? new Map<string, number>()).set(point.at, wrong));
    }
  if (sums.size === 0) return null;
  const lines = [...sums].map(([name, at]) => ({ name, points: found.data.map((point) => ({ x: point.at, y: at.get(point.at) ?? 0 })) }));
  const all = (line: (typeof lines)[number]) => line.points.reduce((sum, { y }) => sum + y, 0);
  lines.sort((a, b) => all(b) - all(a));
  const dayOf = (at: string) => new Intl.DateTimeFormat("en-CA", { timeZone: zone }).format(new Date(at));
  const show = (at: string) => shortDay(dayOf(at));
  return (
    <ChartCard
      title={say("errors_over_time")}
      note={`${say(query.scope === "me" ? "own_failed_and_refused" : "failed_and_refused")} ${say("days_of_zone", { zone })}`}
      file={file}
      summary={say("top_item", { name: lines[0]!.name, value: count(all(lines[0]!)) })}
      grid={{
        head: [say("date"), ...lines.map((line) => line.name)],
        rows: found.data.map((point, row) => [dayOf(point.at), ...lines.map((line) => line.points[row]!.y)]),
        show: (value, column) => (column === 0 ? shortDay(String(value)) : count(Number(value))),
      }}
    >
      <Charts kind="bars" label={say("errors_over_time")} lines={lines} showX={show} showY={count} />
    </ChartCard>
  );
}

/** Both, of one model over the last week: everybody's calls for those who may see them, else one's own. */
export function ModelPerformance({ model, scope }: { model: string; scope: "me" | "all" }) {
  const query = { scope, models: [model], start_date: daysAgo(6), end_date: daysAgo(0) };
  const found = useGet("/api/v1/usage/analytics", { query }).data;
  if (!found) return null;
  const file = (kind: string) => `${kind}-${model}-${query.start_date}-to-${query.end_date}`;
  return (
    <>
      <LatencyChart daily={found.daily} scope={scope} file={file("latency")} />
      <ErrorChart query={query} file={file("errors")} />
    </>
  );
}
