/** How was the load of a model over the last hour, day or week? */
import { lazy, useState } from "react";
import { ChartCard } from "../../components/charts/ChartCard";
import { Choice } from "../../components/fields";
import { Loaded } from "../../components/States";
import { useGet, type Reply } from "../../lib/api";
import { clock, count, milliseconds } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import type { Key } from "../../lib/keys";

const Charts = lazy(() => import("../../components/charts/Charts"));
type Point = Reply<"/api/v1/admin/capacity/history", "get">["data"][number];
type Value = Exclude<keyof Point, "at">;
const SPANS = ["hour", "day", "week"] as const;
type Span = (typeof SPANS)[number];

interface Figure {
  word: Key;
  values: [Value, Key][];
  show: (value: number | null) => string;
}
const FIGURES: Record<string, Figure> = {
  load: { word: "calls_at_once", values: [["at_once", "calls_at_once"]], show: count },
  requests: { word: "requests", values: [["requests", "requests"], ["failed", "failures"], ["refused", "status_refused"]], show: count },
  tokens: { word: "tokens_generated_per_second", values: [["tokens_per_second", "tokens_generated_per_second"]], show: count },
  ttft: { word: "ttft", values: [["ttft_p50_ms", "ttft_p50"], ["ttft_p95_ms", "ttft_p95"]], show: milliseconds },
};
const EVERY_MS = 60_000;

export function History({ models }: { models: string[] }) {
  const say = useSay();
  const [model, setModel] = useState(models[0] ?? "");
  const [span, setSpan] = useState<Span>("hour");
  const [shown, setShown] = useState("load");
  const found = useGet("/api/v1/admin/capacity/history", { query: { model, span } }, { keep: true, refetchInterval: EVERY_MS, enabled: model !== "" });
  if (models.length === 0) return null;
  return (
    <section className="lm-stack" aria-label={say("load_over_time")}>
      <div className="lm-filters lm-open">
        <Choice label={say("model")} value={model} onChange={setModel} options={models.map((value) => ({ value, text: value }))} />
        <Choice label={say("period")} value={span} onChange={(value) => setSpan(value as Span)} options={SPANS.map((value) => ({ value, text: say(`last_${value}`) }))} />
        <Choice label={say("metric")} value={shown} onChange={setShown} options={Object.entries(FIGURES).map(([value, figure]) => ({ value, text: say(figure.word) }))} />
      </div>
      <Loaded query={found} rows={5}>
        {({ data }) => <Chart data={data} model={model} span={span} figure={FIGURES[shown]!} />}
      </Loaded>
    </section>
  );
}

function Chart({ data, model, span, figure }: { data: Point[]; model: string; span: Span; figure: Figure }) {
  const say = useSay();
  const lines = figure.values.map(([value, word]) => ({ name: say(word), points: data.map((point) => ({ x: point.at, y: point[value] })) }));
  const known = lines.flatMap((line) => line.points.flatMap(({ y }) => (y === null ? [] : [y])));
  const [least, most] = known.length ? [Math.min(...known), Math.max(...known)] : [null, null];
  const showX = (at: string) => clock(at, span !== "hour");
  const title = `${say(figure.word)}: ${model}`;
  return (
    <ChartCard
      title={title}
      note={say(span === "hour" ? "each_point_a_minute" : "each_point_an_hour")}
      file={`capacity-${model}-${span}`}
      summary={say("chart_summary", { name: say(figure.word), points: data.length, least: figure.show(least), most: figure.show(most) })}
      grid={{ head: [say("time"), ...lines.map((line) => line.name)], rows: data.map((point) => [point.at, ...figure.values.map(([value]) => point[value])]), show: (value, column) => (column === 0 ? showX(String(value)) : figure.show(value as number | null)) }}
    >
      <Charts kind="lines" label={title} lines={lines} showX={showX} showY={figure.show} />
    </ChartCard>
  );
}
