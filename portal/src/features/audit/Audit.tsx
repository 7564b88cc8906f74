/** Who changed what, and when? The audit trail with its filters; reading by programs is left out unless asked for. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Link } from "react-router";
import { Facts } from "../../components/Card";
import { CodeBlock, Copyable } from "../../components/Copy";
import { Filter, Search, Toolbar } from "../../components/Filters";
import { LogTable } from "../../components/LogTable";
import { Page } from "../../components/Page";
import { Status } from "../../components/Status";
import { Text } from "../../components/fields";
import { placeOf } from "../../concepts/audit/places";
import { actionWord, typeWord } from "../../concepts/audit/words";
import { UserFilter } from "../../concepts/people/filters";
import { exportAddress } from "../../components/ExportDialog";
import { useGet, type Reply } from "../../lib/api";
import { useCursorList } from "../../lib/cursorList";
import { dayAfter, moment } from "../../lib/format";
import { useSay, useSpeech } from "../../lib/i18n";
import { useListState } from "../../lib/listState";
import { useMay } from "../../lib/session";
import { useZone } from "../../lib/product";
import { toMoment } from "../../lib/zones";

type Row = Reply<"/api/v1/admin/audit", "get">["data"][number];

export default function Audit() {
  const say = useSay();
  const { language } = useSpeech();
  const may = useMay();
  const list = useListState();
  const { action, type, success, actor, since, until } = list.filters;
  const zone = useZone();
  const beginning = (day: string | undefined) => (day ? toMoment(`${day}T00:00`, zone) : undefined);
  const query = Object.fromEntries(
    Object.entries({ action, type, success, actor, text: list.search, since: beginning(since), until: until && beginning(dayAfter(until)) }).filter(([, value]) => value),
  );
  const found = useCursorList("/api/v1/admin/audit", query, (page) => ({ rows: page.data, next: page.next_cursor }));
  const actions = useGet("/api/v1/admin/audit/actions", { query: type ? { type: [type] } : {} }).data?.data ?? [];
  const types = useGet("/api/v1/admin/audit/types").data?.data ?? [];
  const inWords = (values: string[], word: (value: string) => string) => values.map((value) => ({ value, text: word(value) })).sort((one, other) => one.text.localeCompare(other.text, language));
  const object = (row: Row) => row.resource_name ?? (row.resource_id.slice(0, 24) || "–");
  const linked = (row: Row) => {
    const place = placeOf(row, may);
    return place === null ? object(row) : <Link to={place}>{object(row)}</Link>;
  };
  return (
    <Page
      title={say("audit_log")}
      subtitle={say("audit_subtitle")}
      actions={
        <Button variant="secondary" component="a" href={exportAddress("/api/v1/admin/audit/export", { ...query, format: "csv" })}>
          {say("export")}
        </Button>
      }
    >
      <Toolbar search={<Search list={list} />}>
        <Filter list={list} name="type" label={say("category")} options={inWords(types, (value) => typeWord(say, value))} />
        <Filter list={list} name="action" label={say("action")} options={inWords(actions, (value) => actionWord(say, value))} />
        <Filter list={list} name="success" label={say("result")} options={[{ value: "true", text: say("status_success") }, { value: "false", text: say("status_failed") }]} />
        <UserFilter list={list} name="actor" />
        <Text label={say("from_day")} type="date" value={since ?? ""} onChange={(value) => list.filter("since", value)} />
        <Text label={say("to_day")} type="date" value={until ?? ""} onChange={(value) => list.filter("until", value)} />
      </Toolbar>
      <LogTable<Row>
        caption={say("audit_log")}
        found={found}
        rowKey={(row) => String(row.id)}
        empty={say(list.isNarrowed ? "nothing_fits" : "no_audit")}
        next={
          list.isNarrowed && (
            <Button variant="secondary" onClick={list.clear}>
              {say("clear_filters")}
            </Button>
          )
        }
        title={(row) => actionWord(say, row.action)}
        columns={[
          { title: say("time"), cell: (row) => <span className="lm-once">{moment(row.at)}</span> },
          { title: say("user"), cell: (row) => row.actor_name ?? row.actor },
          { title: say("action"), cell: (row) => <span title={row.action}>{actionWord(say, row.action)}</span> },
          { title: say("category"), cell: (row) => typeWord(say, row.type) },
          { title: say("object"), cell: (row) => <span className="lm-anywhere">{linked(row)}</span> },
          { title: say("address"), cell: (row) => row.address ?? "–" },
          { title: say("result"), cell: (row) => <Status value={row.success ? "success" : "failed"} /> },
        ]}
        details={(row) => (
          <div className="lm-stack">
            <Facts
              facts={[
                [say("time"), moment(row.at)],
                [say("user"), `${row.actor_name ?? row.actor} (${row.actor_kind})`],
                [say("action"), <code key="action">{row.action}</code>],
                [say("category"), typeWord(say, row.type)],
                [say("object"), linked(row)],
                [say("object_id"), row.resource_id && <Copyable key="id" text={row.resource_id} label={say("object_id")} />],
                [say("error"), row.error_code],
                [say("address"), row.address],
                [say("user_agent"), row.user_agent],
                [say("request_id"), row.request_id && <Copyable text={row.request_id} label={say("request_id")} />],
              ]}
            />
            <CodeBlock code={JSON.stringify(row.detail, null, 2)} label={say("details")} />
          </div>
        )}
      />
    </Page>
  );
}
