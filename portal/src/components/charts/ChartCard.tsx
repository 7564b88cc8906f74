/** A card for a chart: chart or table, raw values as CSV, full screen, a summary for those who do not see it. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import ExpandIcon from "@patternfly/react-icons/dist/esm/icons/expand-icon";
import DownloadIcon from "@patternfly/react-icons/dist/esm/icons/download-icon";
import TableIcon from "@patternfly/react-icons/dist/esm/icons/table-icon";
import ChartLineIcon from "@patternfly/react-icons/dist/esm/icons/chart-line-icon";
import { Suspense, useEffect, useRef, useState, type ReactNode } from "react";
import { saveCsv } from "../../lib/csv";
import { useSay } from "../../lib/i18n";
import { Dialog } from "../Dialog";
import { PlainTable } from "../PlainTable";
import { Boundary, Loading } from "../States";
import "./charts.css";

export interface Grid {
  head: string[];
  rows: (string | number | null)[][];
  show?: (value: string | number | null, column: number) => string;
}

interface ChartCardProps {
  title: string;
  summary: string;
  grid: Grid;
  file: string;
  children: ReactNode;
  aside?: ReactNode;
  /** In small letters below the title: what the axis does not say. */
  note?: ReactNode;
}

export function ChartCard({ title, summary, grid, file, children, aside, note }: ChartCardProps) {
  const say = useSay();
  const [table, setTable] = useState(false);
  const [full, setFull] = useState(false);
  const chart = (
    <Seen>
      <Suspense fallback={<Loading rows={5} />}>{children}</Suspense>
    </Seen>
  );
  return (
    <section className="lm-card lm-wide-card" aria-label={title}>
      <header>
        <div>
          <h2>{title}</h2>
          {note && <small className="lm-subtle">{note}</small>}
        </div>
        <div className="lm-actions">
          {aside}
          <Tool icon={table ? <ChartLineIcon /> : <TableIcon />} label={say(table ? "show_chart" : "show_table")} act={() => setTable(!table)} />
          <Tool icon={<DownloadIcon />} label={say("download_csv")} act={() => saveCsv(file, [grid.head, ...grid.rows])} />
          <Tool icon={<ExpandIcon />} label={say("full_screen")} act={() => setFull(true)} />
        </div>
      </header>
      <p className="pf-v6-screen-reader">{summary}</p>
      <Boundary>{table ? <GridTable grid={grid} caption={title} /> : chart}</Boundary>
      {full && (
        <Dialog title={title} close={() => setFull(false)} size="full">
          <Boundary>
            {chart}
            <GridTable grid={grid} caption={title} />
          </Boundary>
        </Dialog>
      )}
    </section>
  );
}

function Tool({ icon, label, act }: { icon: ReactNode; label: string; act: () => void }) {
  return <Button variant="plain" size="sm" icon={icon} aria-label={label} title={label} onClick={act} />;
}

/** The chart's code is fetched when its place comes into view; the place is kept free before. */
function Seen({ children }: { children: ReactNode }) {
  const place = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (!place.current || seen) return undefined;
    const watch = new IntersectionObserver(([entry]) => entry?.isIntersecting && setSeen(true), { rootMargin: "200px" });
    watch.observe(place.current);
    return () => watch.disconnect();
  }, [seen]);
  return (
    <div className="lm-chart" ref={place}>
      {seen && children}
    </div>
  );
}

export function GridTable({ grid, caption }: { grid: Grid; caption: string }) {
  const show = grid.show ?? ((value) => (value === null ? "–" : String(value)));
  return (
    <div className="lm-scroll" tabIndex={0} role="region" aria-label={caption}>
      <PlainTable caption={caption} head={grid.head} rows={grid.rows.map((row) => row.map(show))} />
    </div>
  );
}
