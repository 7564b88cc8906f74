/** How much of a limit is used: a bar with its figures in words. */
import { count, money, UNKNOWN } from "../lib/format";
import { useSay } from "../lib/i18n";

export function Meter({ used, limit, unit = "money", label, named, plain }: { used: number | null | undefined; limit: number | null | undefined; unit?: "money" | "count"; label: string; named?: boolean; plain?: boolean }) {
  const say = useSay();
  const show = unit === "money" ? money : count;
  if (limit == null) return <span>{used == null ? UNKNOWN : say("of_no_limit", { used: show(used) })}</span>;
  const share = limit === 0 ? 100 : Math.min(100, ((used ?? 0) / limit) * 100);
  // "plain": to be full is no warning
  const tone = plain ? "" : share > 95 ? "lm-red" : share > 80 ? "lm-amber" : "";
  return (
    <div className="lm-meter">
      {named && <span className="lm-subtle">{label}</span>}
      <span>{say("used_of", { used: show(used ?? 0), limit: show(limit) })}</span>
      <div className={tone} role="meter" aria-label={label} aria-valuenow={Math.round(share)} aria-valuemin={0} aria-valuemax={100}>
        <span style={{ width: `${share}%` }} />
      </div>
    </div>
  );
}
