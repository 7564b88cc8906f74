/** Which calls were made, and how did they end? Metadata only; prompts and answers are not kept. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { Link } from "react-router";
import { Facts } from "../../components/Card";
import { Copyable } from "../../components/Copy";
import { Filter, Search, Toolbar } from "../../components/Filters";
import { LogTable } from "../../components/LogTable";
import { endOf, Status } from "../../components/Status";
import { useGet, type Reply } from "../../lib/api";
import { useCursorList } from "../../lib/cursorList";
import { count, dayAfter, milliseconds, moment, money } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useListState } from "../../lib/listState";
import { useZone } from "../../lib/product";
import { toMoment } from "../../lib/zones";
import { Money, Text, Whole } from "../../components/fields";
import { Above, positive } from "./Above";
import { ExportLog } from "./ExportLog";

type Row = Reply<"/api/v1/requests", "get">["data"][number];

/** Error codes to choose from, of the last 30 days. */
const MOST_CODES = 100;

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
    since: since && toMoment(`${since}T00:00`, zone),
    ...fixed,
    until: until && toMoment(`${dayAfter(until)}T00:00`, zone),
  };
  const query = Object.fromEntries(Object.entries(given).flatMap(([name, value]) => (value ? [[name, String(value)]] : [])));
  const errors = useGet("/api/v1/usage/breakdown/{dimension}", { path: { dimension: "error" }, query: { scope, sort: "blocked_requests", limit: MOST_CODES } }).data?.data ?? [];
  const found = useCursorList("/api/v1/requests", query, (page) => ({ rows: page.data, next: page.pagination.next_cursor }));
  const of = (values: { id: string; name: string }[] | undefined) => (values ?? []).map(({ id, name }) => ({ value: id, text: name }));
  return (
    <>
      <Toolbar
        search={
          <>
            <Search list={list} label={say("request_id")} />
            <ExportLog query={query} />
          </>
        }
      >
        <Filter list={list} name="status" label={say("result")} options={["success", "failure", "refused", "cancelled"].map((value) => ({ value, text: say(`status_${endOf(value)}` as "status_failure") }))} />
        <Filter list={list} name="model" label={say("model")} options={of(options?.models)} />
        {!fixed.keys && <Filter list={list} name="key" label={say("api_key")} options={of(options?.keys)} />}
        <Filter list={list} name="error_code" label={say("error")} options={errors.flatMap(({ id }) => (id ? [{ value: id, text: id }] : []))} />
        {scope === "all" && !fixed.users && <Filter list={list} name="user" label={say("user")} options={of(options?.users)} />}
        <Above list={list} name="min_latency_ms" label={say("slower_than_ms")} field={Whole} />
        <Above list={list} name="min_cost_nano" label={say("dearer_than")} field={Money} />
        <Text label={say("from_day")} type="date" value={since ?? ""} onChange={(value) => list.filter("since", value)} />
        <Text label={say("to_day")} type="date" value={until ?? ""} onChange={(value) => list.filter("until", value)} />
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
        title={(row) => row.request_id}
        columns={[
          { title: say("time"), cell: (row) => <span className="lm-once">{moment(row.started_at)}</span> },
          {
            title: `${say("model")} / ${say("api_key")}`,
            cell: (row) => (
              <>
                {row.model}
                <div className="lm-subtle lm-clip">{row.key_alias ?? "–"}</div>
              </>
            ),
          },
          ...(scope === "all" ? [{ title: say("user"), cell: (row: Row) => people.get(row.user_id ?? "") ?? row.user_id ?? "–" }] : []),
          { title: say("result"), cell: (row) => <Outcome row={row} /> },
          { title: say("tokens"), number: true, cell: (row) => count(row.prompt_tokens + row.completion_tokens) },
          { title: say("cost"), number: true, cell: (row) => money(row.cost_nano) },
          { title: say("ttft"), number: true, cell: (row) => milliseconds(row.ttft_us == null ? null : row.ttft_us / 1000) },
          { title: say("duration"), number: true, cell: (row) => milliseconds(row.duration_us / 1000) },
        ]}
        details={(row) => <Details row={row} />}
      />
    </>
  );
}

/** A code may go on in the next line after each of its words; the table would not fit otherwise. */
const breakable = (code: string) => code.split("_").flatMap((word, place) => (place ? ["_", <wbr key={place} />, word] : [word]));

/** Of a call that got an answer of an earlier one, the gateway notes which. */
const isKept = (row: Row) => "litemaas_cache_hit" in row.metadata;

function Outcome({ row }: { row: Row }) {
  const say = useSay();
  return (
    <span className="lm-labels">
      <Status value={endOf(row.status)} /> {isKept(row) && <Label isCompact>{say("kept_answer")}</Label>} {row.error_code && <code>{breakable(row.error_code)}</code>}
    </span>
  );
}

function Details({ row }: { row: Row }) {
  const say = useSay();
  return (
    <div className="lm-stack">
      {row.error_message && (
        <div className="lm-failure">
          <strong>{say("why_blocked")}</strong>
          <p>{row.error_message}</p>
        </div>
      )}
      <Facts
        facts={[
          [say("time"), moment(row.started_at)],
          [say("model"), row.model],
          [say("api_key"), row.key_alias ?? "–"],
          [say("team"), row.team_id],
          [say("result"), <Outcome key="outcome" row={row} />],
          [say("kept_answer"), isKept(row) && say("kept_answer_text")],
          [say("http_status"), row.http_status],
          [say("endpoint"), row.endpoint],
          [say("prompt_tokens"), count(row.prompt_tokens)],
          [say("completion_tokens"), count(row.completion_tokens)],
          [say("total_tokens"), count(row.prompt_tokens + row.completion_tokens)],
          [say("pages"), row.pages > 0 && count(row.pages)],
          [say("cost"), money(row.cost_nano)],
          [say("ttft"), milliseconds(row.ttft_us == null ? null : row.ttft_us / 1000)],
          [say("duration"), milliseconds(row.duration_us / 1000)],
          [say("streaming"), row.stream ? say("yes") : say("no")],
          [say("address"), row.client_ip],
          [say("request_id"), <Copyable key="id" text={row.request_id} label={say("request_id")} />],
        ]}
      />
      <p>
        <Link to={`/usage?models=${encodeURIComponent(encodeURIComponent(row.model))}`}>{say("usage_of", { name: row.model })}</Link>
      </p>
    </div>
  );
}
