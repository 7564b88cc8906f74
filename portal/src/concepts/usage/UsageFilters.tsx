/** Which days, models, keys, people and teams? What there is to choose comes from the server. */
import { Toolbar, Filter } from "../../components/Filters";
import { ManyFilter } from "../../components/ManyFilter";
import { Text } from "../../components/fields";
import { useGet } from "../../lib/api";
import { daysAgo } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import type { ListState } from "../../lib/listState";
import { useConfig } from "../../lib/product";
import type { usageQuery } from "./Analytics";
import { joined, many, PRESETS } from "./range";
import { ExportButton } from "./ExportButton";

export function UsageFilters({ list, query }: { list: ListState; query: ReturnType<typeof usageQuery> }) {
  const say = useSay();
  const { start_date, end_date, scope } = query;
  const options = useGet("/api/v1/usage/filter-options", { query: { scope, start_date, end_date } }, { keep: true }).data;
  const most = useConfig().data?.limits.max_days ?? 90;
  const presets = PRESETS.filter((days) => days <= most).map((days) => ({ value: String(days), text: days === 1 ? say("today") : say("last_n_days", { count: days }) }));
  const chooser = (name: "models" | "keys" | "users" | "teams" | "cost_centres" | "workshops", label: string) => {
    const found = (options?.[name] ?? []).filter(({ id }) => id); // the empty one means "without": alone it is no choice
    const picked = many(list, name);
    if (found.length === 0 && picked.length === 0) return null;
    return <ManyFilter label={label} options={found.map(({ id, name: text }) => ({ value: id, text }))} picked={picked} pick={(values) => list.filter(name, joined(values))} />;
  };
  return (
    <Toolbar end={<ExportButton query={query} />}>
      <Filter list={list} name="days" label={say("period")} options={[...presets.filter((preset) => preset.value !== "7"), { value: "custom", text: say("custom_range") }]} all={say("last_n_days", { count: 7 })} />
      {list.filters["days"] === "custom" && (
        <>
          <Text label={say("from_day")} type="date" value={list.filters["start_date"] ?? ""} max={list.filters["end_date"] ?? daysAgo(0)} onChange={(value) => list.filter("start_date", value)} />
          <Text label={say("to_day")} type="date" value={list.filters["end_date"] ?? ""} max={daysAgo(0)} onChange={(value) => list.filter("end_date", value)} />
        </>
      )}
      {chooser("models", say("models"))}
      {chooser("keys", say("api_keys"))}
      {scope !== "me" && chooser("users", say("users"))}
      {chooser("teams", say("teams"))}
      {scope !== "me" && chooser("cost_centres", say("cost_centre"))}
      {scope !== "me" && chooser("workshops", say("workshops"))}
    </Toolbar>
  );
}
