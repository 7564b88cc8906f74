/** Which days of which weeks are busy? One row per year and week, Monday to Sunday, six shades. */
import { ChartCard } from "../../components/charts/ChartCard";
import { useGet } from "../../lib/api";
import { compact, money, percent } from "../../lib/format";
import { useSpeech } from "../../lib/i18n";
import { useZone } from "../../lib/product";
import type { Metric, usageQuery } from "./Analytics";
import "../../components/charts/charts.css";

/** The ISO week that a day belongs to, named with its own year. */
export function isoWeek(day: string): { week: string; weekday: number } {
  const date = new Date(`${day}T00:00:00Z`);
  const weekday = (date.getUTCDay() + 6) % 7;
  const thursday = new Date(date.getTime() + (3 - weekday) * 86_400_000);
  const first = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const number = Math.floor((thursday.getTime() - first) / 604_800_000) + 1;
  return { week: `${thursday.getUTCFullYear()}-W${String(number).padStart(2, "0")}`, weekday };
}

/** 0–5; logarithmic, linear where the values lie close together, one shade where all are equal. */
export function shade(value: number, least: number, most: number): number {
  if (value <= 0) return 0;
  if (most === least) return 3;
  if (most / least < 10) return 1 + Math.round(((value - least) / (most - least)) * 4);
  return 1 + Math.round((Math.log(value / least) / Math.log(most / least)) * 4);
}

/** How much of its week a day has. */
const shareOf = (value: number, sum: number) => (sum ? ` (${percent((value / sum) * 100, 0)})` : "");

export function Heat({ query, metric, file }: { query: ReturnType<typeof usageQuery>; metric: Metric; file: string }) {
  const { say, language } = useSpeech();
  const zone = useZone();
  const found = useGet("/api/v1/usage/analytics", { query }, { keep: true }).data;
  if (!found) return null;
  const show = metric === "cost_nano" ? money : compact;
  const weeks = new Map<string, (number | null)[]>();
  for (const day of found.daily) {
    const { week, weekday } = isoWeek(day.date);
    const row = weeks.get(week) ?? Array.from({ length: 7 }, () => null);
    row[weekday] = day[metric];
    weeks.set(week, row);
  }
  const values = found.daily.map((day) => day[metric]).filter((value) => value > 0);
  const least = Math.min(...values);
  const most = Math.max(...values);
  const names = Array.from({ length: 7 }, (_, index) => new Intl.DateTimeFormat(language, { weekday: "short", timeZone: "UTC" }).format(Date.UTC(2024, 0, 1 + index)));
  const rows = [...weeks].map(([week, row]) => [week, ...row]);
  return (
    <ChartCard
      title={say("weekly_pattern")}
      note={say("days_of_zone", { zone })}
      file={file}
      summary={say("weekly_pattern_summary", { weeks: weeks.size })}
      grid={{ head: [say("week"), ...names], rows, show: (cell, column) => (column === 0 ? String(cell) : cell === null ? "" : show(Number(cell))) }}
    >
      <div className="lm-scroll" tabIndex={0} role="region" aria-label={say("weekly_pattern")}>
        <table className="lm-heat">
          <thead>
            <tr>
              <th scope="col">{say("week")}</th>
              {names.map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {[...weeks].map(([week, row]) => {
              const sum = row.reduce<number>((all, value) => all + (value ?? 0), 0);
              return (
                <tr key={week}>
                  <th scope="row">{week}</th>
                  {row.map((value, weekday) => (
                    <td
                      key={weekday}
                      className={value === null ? "lm-outside" : `lm-heat-${shade(value, least, most)}`}
                      title={value === null ? undefined : `${names[weekday]}: ${show(value)}${shareOf(value, sum)}`}
                    >
                      {value !== null && (
                        <>
                          {show(value)}
                          <span className="pf-v6-screen-reader">{shareOf(value, sum)}</span>
                        </>
                      )}
                    </td>
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </ChartCard>
  );
}
