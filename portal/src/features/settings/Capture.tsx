/** Whose calls are recorded, until when and why? Nobody's, unless an administrator names a key or a team here. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Link } from "react-router";
import { DataTable } from "../../components/DataTable";
import { Confirm } from "../../components/Dialog";
import { Status } from "../../components/Status";
import { useGet, useSend, type Reply } from "../../lib/api";
import { ago, count, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { listQuery, useListState } from "../../lib/listState";
import { useMay } from "../../lib/session";
import { CaptureBegin } from "./CaptureBegin";
import { CaptureRead } from "./CaptureRead";

type Capture = Reply<"/api/v1/admin/payload-capture", "get">["data"][number];

export default function Captures() {
  const say = useSay();
  const may = useMay()("admin:settings:write");
  const list = useListState();
  const found = useGet("/api/v1/admin/payload-capture", { query: listQuery(list) }, { keep: true });
  const kept = useGet("/api/v1/admin/settings").data?.retention.captured_payload_days;
  const end = useSend("delete", "/api/v1/admin/payload-capture/{capture_id}");
  const [begins, setBegins] = useState(false);
  const [read, setRead] = useState<Capture | null>(null);
  const [doomed, setDoomed] = useState<Capture | null>(null);
  return (
    <div className="lm-stack">
      <p>{say("capture_text")}</p>
      <ul>
        <li>{say("capture_is_told")}</li>
        <li>{say("capture_is_audited")}</li>
        {kept && <li>{say("capture_is_sealed", { count: kept })}</li>}
      </ul>
      {may && (
        <div className="lm-actions">
          <Button onClick={() => setBegins(true)}>{say("record_calls")}</Button>
        </div>
      )}
      <DataTable<Capture>
        caption={say("tab_capture")}
        query={found}
        list={list}
        rowKey={(row) => row.id}
        rowName={nameOf}
        empty={{ title: say("no_captures"), text: say("no_captures_text") }}
        columns={[
          {
            title: say("whose_calls"),
            cell: (row) => (
              <>
                {row.team_id ? <Link to={`/teams/${encodeURIComponent(row.team_id)}`}>{nameOf(row)}</Link> : nameOf(row)}
                <div className="lm-subtle">{say(row.team_id ? "all_keys_of_team" : "one_key")}</div>
              </>
            ),
          },
          { title: say("reason"), cell: (row) => <span className="lm-clip" title={row.reason}>{row.reason}</span> },
          { title: say("record_until"), cell: (row) => <span title={moment(row.until)}>{ago(row.until)}</span> },
          { title: say("state"), cell: (row) => <Status value={row.active ? "active" : "expired"} /> },
          { title: say("recorded_calls"), number: true, cell: (row) => count(row.payloads) },
          { title: say("created"), cell: (row) => <span title={moment(row.created_at)}>{ago(row.created_at)}</span> },
        ]}
        actions={(row: Capture) => [
          { title: say("read_calls"), onClick: () => setRead(row) },
          ...(may ? [{ title: say("end_recording"), isDanger: true, onClick: () => setDoomed(row) }] : []),
        ]}
      />
      {begins && <CaptureBegin close={() => setBegins(false)} />}
      {read && <CaptureRead id={read.id} name={nameOf(read)} close={() => setRead(null)} />}
      {doomed && <Confirm title={say("end_recording_of", { name: nameOf(doomed) })} text={say("end_recording_text")} submit={say("end_recording")} close={() => setDoomed(null)} act={() => end.mutateAsync({ path: { capture_id: doomed.id } })} />}
    </div>
  );
}

const nameOf = (row: Capture) => row.name ?? row.key_id ?? row.team_id ?? row.id;
