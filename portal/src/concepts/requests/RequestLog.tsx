/** Which calls were made, and how did they end? Metadata only; prompts and answers are not kept. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Link } from "react-router";
import { Filter, Search, SortChoice, Toolbar } from "../../components/Filters";
import { LogTable } from "../../components/LogTable";
import { useColumns } from "../../components/ManageColumns";
import { endOf } from "../../components/Status";
import { useGet } from "../../lib/api";
import { useCursorList } from "../../lib/cursorList";
import { dayAfter } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useListState } from "../../lib/listState";
import { useZone } from "../../lib/product";
import { toMoment } from "../../lib/zones";
import { Money, Text, Whole } from "../../components/fields";
import { Above, positive } from "./Above";
import { columnsOf } from "./columns";
import { Details } from "./Details";
import { ExportLog } from "./ExportLog";
import type { Row } from "./Outcome";

/** Error codes to choose from, of the last 30 days. */
const MOST_CODES = 100;
const SOURCES = ["api", "playground"] as const;
const USUAL = { sort: "started_at", order: "desc" } as const;
const SORTED = new Set(["started_at", "cost_nano", "duration_us"]);

interface LogProps {
  scope: "me" | "all";
  /** What the page is about, and nobody can choose otherwise. */
  fixed?: { keys?: string; users?: string };
}

export function RequestLog({ scope, fixed = {} }: LogProps) {
  const say = useSay();
  const list = useListState();
  const zone = useZone();
  const { status, model, key, user, since, until } = list.filters;
  const options = useGet("/api/v1/usage/filter-options", { query: { scope } }).data;
  const people = new Map(options?.users.map(({ id, name }) => [id, name]));
  const teams = new Map(options?.teams.map(({ id, name }) => [id, name]));
  const team = (id: string) => teams.get(id) ?? id;
  const { shown, manage } = useColumns(`requests.${scope}`, columnsOf(say, scope === "all", (id) => people.get(id) ?? id, team));
  const given = {
    scope,
    outcome: status,
    models: model,
    keys: key,
    users: user,
    min_latency_ms: positive(list.filters["min_latency_ms"]),
    min_cost_nano: positive(list.filters["min_cost_nano"]),
    request_id: list.search || undefined,
    error_code: list.filters["error_code"],
    sources: list.filters["source"],
    since: since && toMoment(`${since}T00:00`, zone),
    ...fixed,
    until: until && toMoment(`${dayAfter(until)}T00:00`, zone),
  };
  const query = Object.fromEntries(Object.entries(given).flatMap(([name, value]) => (value ? [[name, String(value)]] : [])));
  const isSorted = list.sort !== undefined && SORTED.has(list.sort);
  const sorted = isSorted ? { ...query, sort: list.sort, order: list.order ?? "asc" } : query;
  const errors = useGet("/api/v1/usage/breakdown/{dimension}", { path: { dimension: "error" }, query: { scope, sort: "blocked_requests", limit: MOST_CODES } }).data?.data ?? [];
  const found = useCursorList("/api/v1/requests", sorted, (page) => ({ rows: page.data, next: page.pagination.next_cursor }));
  const of = (values: { id: string; name: string }[] | undefined) => (values ?? []).map(({ id, name }) => ({ value: id, text: name }));
  return (
    <>
      <Toolbar
        search={
          <>
            <Search list={list} label={say("request_id")} />
            <ExportLog query={query} />
            {manage}
          </>
        }
      >
        <Filter list={list} name="status" label={say("result")} options={["success", "failure", "refused", "cancelled"].map((value) => ({ value, text: say(`status_${endOf(value)}` as "status_failure") }))} />
        <Filter list={list} name="model" label={say("model")} options={of(options?.models)} />
        {!fixed.keys && <Filter list={list} name="key" label={say("api_key")} options={of(options?.keys)} />}
        <Filter list={list} name="error_code" label={say("error")} options={errors.flatMap(({ id }) => (id ? [{ value: id, text: id }] : []))} />
        {scope === "all" && !fixed.users && <Filter list={list} name="user" label={say("user")} options={of(options?.users)} />}
        <Filter list={list} name="source" label={say("source")} options={SOURCES.map((value) => ({ value, text: say(`source_${value}`) }))} />
        <Above list={list} name="min_latency_ms" label={say("slower_than_ms")} field={Whole} />
        <Above list={list} name="min_cost_nano" label={say("dearer_than")} field={Money} />
        <Text label={say("from_day")} type="date" value={since ?? ""} onChange={(value) => list.filter("since", value)} />
        <Text label={say("to_day")} type="date" value={until ?? ""} onChange={(value) => list.filter("until", value)} />
        <div className="lm-narrow">
          <SortChoice
            list={list}
            usual={say("newest_first")}
            options={[
              { value: "cost_nano", text: say("dearest_first"), order: "desc" },
              { value: "duration_us", text: say("slowest_first"), order: "desc" },
            ]}
          />
        </div>
      </Toolbar>
      <LogTable<Row>
        caption={say("requests")}
        found={found}
        rowKey={(row) => row.request_id + row.started_at}
        empty={say(list.isNarrowed ? "nothing_fits" : "no_requests")}
        next={
          list.isNarrowed ? (
            <Button variant="secondary" onClick={list.clear}>
              {say("clear_filters")}
            </Button>
          ) : (
            scope === "me" && <Link to="/playground">{say("start_playground")}</Link>
          )
        }
        isBeside
        title={(row) => row.request_id}
        columns={shown}
        order={{ list, usual: USUAL }}
        details={(row) => <Details row={row} team={row.team_id && team(row.team_id)} />}
      />
    </>
  );
}
