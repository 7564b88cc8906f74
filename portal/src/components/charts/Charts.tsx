/** The charts themselves; this module carries the chart library and is loaded when the first chart is seen. */
import {
  Chart,
  ChartArea,
  ChartAxis,
  ChartBar,
  ChartDonut,
  ChartGroup,
  ChartLine,
  ChartScatter,
  ChartStack,
  ChartThemeColor,
  ChartVoronoiContainer,
} from "@patternfly/react-charts/victory";
import { useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from "react";

export interface Line {
  name: string;
  points: { x: string; y: number | null }[];
}

interface ChartsProps {
  kind: "lines" | "stack" | "bars" | "donut";
  lines: Line[];
  label: string;
  showX: (x: string) => string;
  showY: (y: number) => string;
  total?: string;
}

const HEIGHT = 280;
const DASHES = ["0", "6 3", "2 3", "8 3 2 3"];

function useWidth(): [React.RefObject<HTMLDivElement | null>, number] {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!box.current) return undefined;
    const watch = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width)));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  return [box, width];
}

export default function Charts(props: ChartsProps) {
  const [box, width] = useWidth();
  const { told, onKeyDown } = usePoint(props);
  const isDonut = props.kind === "donut";
  return (
    <>
      <div ref={box} className="lm-plane" role="group" aria-label={props.label} tabIndex={0} onKeyDown={onKeyDown} style={{ height: isDonut ? 240 : HEIGHT, ...(isDonut ? { maxWidth: 640 } : {}) }}>
        {width > 0 && (isDonut ? <Donut {...props} width={width} /> : <Plane {...props} width={width} />)}
      </div>
      <p className="lm-point" role="status">
        {told}
      </p>
    </>
  );
}

/** What the mouse shows in a tooltip, the arrow keys tell point by point; of a donut, part by part. */
function usePoint({ kind, lines, showX, showY }: ChartsProps): { told: string; onKeyDown: (event: KeyboardEvent) => void } {
  const [at, setAt] = useState<number | null>(null);
  const many = kind === "donut" ? lines.length : (lines[0]?.points.length ?? 0);
  const steps: Record<string, number | null> = { ArrowRight: Math.min((at ?? -1) + 1, many - 1), ArrowLeft: Math.max((at ?? many) - 1, 0), Home: 0, End: many - 1, Escape: null };
  const onKeyDown = (event: KeyboardEvent) => {
    if (!(event.key in steps) || many === 0 || (event.key === "Escape" && at === null)) return;
    event.preventDefault();
    event.stopPropagation();
    setAt(steps[event.key] ?? null);
  };
  if (at === null || at >= many) return { told: "", onKeyDown };
  if (kind === "donut") return { told: `${lines[at]!.name}: ${showY(lines[at]!.points[0]?.y ?? 0)}`, onKeyDown };
  const values = lines.map((line) => `${lines.length > 1 ? `${line.name} ` : ""}${line.points[at]?.y == null ? "–" : showY(line.points[at].y)}`);
  return { told: `${showX(lines[0]!.points[at]!.x)}: ${values.join(", ")}`, onKeyDown };
}

/** At most seven ticks, each label once. */
function ticks(lines: Line[], showY: (y: number) => string, stacked: boolean): number[] {
  const sums = new Map<string, number>();
  let top = 0;
  for (const line of lines)
    for (const { x, y } of line.points) {
      const value = (stacked ? (sums.get(x) ?? 0) : 0) + (y ?? 0);
      sums.set(x, value);
      top = Math.max(top, value);
    }
  if (top === 0) return [0, 1];
  const isWhole = lines.every((line) => line.points.every(({ y }) => Number.isInteger(y ?? 0)));
  const raw = Math.max(top / 5, isWhole ? 1 : 0);
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((candidate) => candidate >= raw) ?? raw;
  const all = Array.from({ length: Math.ceil(top / step) + 1 }, (_, index) => index * step);
  return all.filter((value, index) => all.findIndex((other) => showY(other) === showY(value)) === index);
}

const isLone = ({ points }: Line, at: number) => points[at]?.y != null && points[at - 1]?.y == null && points[at + 1]?.y == null;

function Plane({ kind, lines, label, showX, showY, width }: ChartsProps & { width: number }) {
  const days = lines[0]?.points.map((point) => point.x) ?? [];
  const wanted = Math.max(2, Math.min(12, Math.floor(width / 90)));
  const every = Math.max(1, Math.ceil(days.length / wanted));
  const tickValues = ticks(lines, showY, kind !== "lines");
  const data = (line: Line) => line.points.map((point) => ({ x: point.x, y: point.y, name: line.name }));
  const isOne = days.length === 1;
  const series: ReactNode = lines.map((line, index) => {
    const common = { key: line.name, data: data(line), name: line.name };
    if (kind === "bars") return <ChartBar {...common} key={line.name} barWidth={Math.max(4, Math.min(24, width / (days.length * 2)))} />;
    if (isOne) return <ChartScatter {...common} key={line.name} size={5} />;
    if (kind === "stack") return <ChartArea {...common} key={line.name} interpolation="monotoneX" />;
    return <ChartLine {...common} key={line.name} style={{ data: { strokeDasharray: DASHES[index % DASHES.length] } }} interpolation="monotoneX" />;
  });
  /** A day between days without a value has no line to it: a point shows it. In a group of its own, for the lines' colours. */
  const lone = lines.map((line) => ({ ...line, points: line.points.map((point, at) => (isLone(line, at) ? point : { ...point, y: null })) }));
  return (
    <Chart
      ariaTitle={label}
      width={width}
      height={HEIGHT}
      padding={{ left: 76, right: 16, top: 12, bottom: lines.length > 1 ? 74 : 44 }}
      themeColor={ChartThemeColor.multiUnordered}
      domainPadding={kind === "bars" || isOne ? { x: 24 } : { x: 4 }}
      minDomain={{ y: 0 }}
      maxDomain={{ y: tickValues.at(-1) ?? 1 }}
      legendData={lines.length > 1 ? lines.map((line) => ({ name: line.name.slice(0, 28) })) : []}
      legendPosition="bottom"
      legendAllowWrap
      containerComponent={
        <ChartVoronoiContainer
          labels={({ datum }: { datum: { name: string; x: string; y: number | null } }) => `${lines.length > 1 ? `${datum.name}: ` : ""}${showX(datum.x)}  ${showY(datum.y ?? 0)}`}
          constrainToVisibleArea
        />
      }
    >
      <ChartAxis tickValues={days} tickFormat={(x: string, index: number) => (index % every === 0 ? showX(x) : "")} fixLabelOverlap={false} />
      <ChartAxis dependentAxis showGrid tickValues={tickValues} tickFormat={(y: number) => showY(y)} />
      {kind === "lines" ? <ChartGroup>{series}</ChartGroup> : <ChartStack>{series}</ChartStack>}
      {kind === "lines" && !isOne && lone.some((line) => line.points.some(({ y }) => y !== null)) && (
        <ChartGroup>
          {lone.map((line) => (
            <ChartScatter key={line.name} data={data(line)} name={line.name} size={4} />
          ))}
        </ChartGroup>
      )}
    </Chart>
  );
}

function Donut({ lines, label, showY, total, width }: ChartsProps & { width: number }) {
  const parts = lines.map((line) => ({ x: line.name, y: line.points[0]?.y ?? 0 }));
  const sum = parts.reduce((all, part) => all + part.y, 0) || 1;
  const wide = width > 420;
  return (
    <ChartDonut
      ariaTitle={label}
      width={wide ? Math.min(width, 640) : width}
      height={240}
      data={parts}
      title={total ?? ""}
      themeColor={ChartThemeColor.multiUnordered}
      constrainToVisibleArea
      labels={({ datum }: { datum: { x: string; y: number } }) => `${datum.x}: ${showY(datum.y)} (${Math.round((datum.y / sum) * 100)} %)`}
      {...(wide
        ? {
            legendData: parts.map((part) => ({ name: `${part.x.slice(0, 30)}: ${Math.round((part.y / sum) * 100)} %` })),
            legendOrientation: "vertical" as const,
            legendPosition: "right" as const,
            padding: { left: 10, right: Math.min(width, 640) - 240, top: 10, bottom: 10 },
          }
        : { padding: 16 })}
    />
  );
}
