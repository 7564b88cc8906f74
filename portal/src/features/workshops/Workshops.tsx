/** Which workshops are there, how many keys do they have, and how much of the pot is used? */
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { useState } from "react";
import { DataTable } from "../../components/DataTable";
import { Confirm, Dialog } from "../../components/Dialog";
import { Search, Toolbar } from "../../components/Filters";
import { Meter } from "../../components/Meter";
import { Page } from "../../components/Page";
import { Loaded } from "../../components/States";
import { Status } from "../../components/Status";
import { useGet, useSend, type Reply } from "../../lib/api";
import { ago, count, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { listQuery, useListState } from "../../lib/listState";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";

type Row = Reply<"/api/v1/admin/workshops", "get">["data"][number];

export default function Workshops() {
  const say = useSay();
  const may = useMay()("admin:workshops:write");
  const list = useListState();
  const found = useGet("/api/v1/admin/workshops", { query: listQuery(list) }, { keep: true, refetchInterval: 30_000 });
  const end = useSend("delete", "/api/v1/admin/workshops/{guid}");
  const [open, setOpen] = useState<{ act: "keys" | "end"; row: Row } | null>(null);
  const finish = async (row: Row) => {
    await end.mutateAsync({ path: { guid: row.guid } });
    tell("success", say("workshop_ended", { name: row.guid }));
  };
  return (
    <Page title={say("workshops")} subtitle={say("workshops_subtitle")} labels={!may && <Label isCompact>{say("read_only")}</Label>}>
      <Toolbar search={<Search list={list} label={say("search_workshops")} />} />
      <DataTable<Row>
        caption={say("workshops")}
        query={found}
        list={list}
        rowKey={(row) => row.guid}
        empty={{ title: say("no_workshops"), text: say("no_workshops_text") }}
        columns={[
          { title: say("workshop"), cell: (row) => row.guid },
          { title: say("models"), cell: (row) => row.models.join(", ") },
          { title: say("api_keys"), number: true, cell: (row) => count(row.keys) },
          { title: say("pot"), cell: (row) => <Pot id={row.pot_id} /> },
          { title: say("expires"), cell: (row) => (row.expires_at ? <span title={moment(row.expires_at)}>{ago(row.expires_at)}</span> : say("never")) },
          { title: say("created"), cell: (row) => <span className="lm-once">{moment(row.created_at)}</span> },
        ]}
        actions={(row) => [
          { title: say("api_keys"), onClick: () => setOpen({ act: "keys", row }) },
          ...(may ? [{ title: say("end_workshop"), isDanger: true, onClick: () => setOpen({ act: "end", row }) }] : []),
        ]}
      />
      {open?.act === "keys" && <Keys guid={open.row.guid} close={() => setOpen(null)} />}
      {open?.act === "end" && (
        <Confirm title={say("end_workshop_what", { name: open.row.guid })} text={say("end_workshop_text", { count: open.row.keys })} submit={say("end_workshop")} close={() => setOpen(null)} act={() => finish(open.row)} />
      )}
    </Page>
  );
}

function Pot({ id }: { id: string }) {
  const say = useSay();
  const state = useGet("/api/v1/admin/budgets/{kind}/{owner_id}/state", { path: { kind: "pot", owner_id: id } }, { enabled: useMay()("admin:users:read") });
  const current = state.data?.windows.find((window) => window.is_current);
  return current ? <Meter used={current.settled_nano} limit={current.limit_nano} label={say("pot")} /> : <>–</>;
}

function Keys({ guid, close }: { guid: string; close: () => void }) {
  const say = useSay();
  const keys = useGet("/api/v1/admin/workshops/{guid}/keys", { path: { guid } });
  return (
    <Dialog title={`${say("api_keys")}: ${guid}`} close={close} size="large">
      <Loaded query={keys}>
        {({ data }) => (
          <div className="lm-scroll">
            <table className="lm-plain">
              <thead>
                <tr>
                  <th scope="col">{say("user")}</th>
                  <th scope="col">{say("state")}</th>
                  <th scope="col">{say("spend")}</th>
                  <th scope="col">{say("expires")}</th>
                </tr>
              </thead>
              <tbody>
                {data.map((key) => (
                  <tr key={key.key_id}>
                    <th scope="row">{key.user}</th>
                    <td>
                      <Status value={key.blocked ? "blocked" : "active"} />
                    </td>
                    <td>
                      <Meter used={key.spent_nano} limit={key.max_budget_nano} label={say("budget")} />
                    </td>
                    <td>{key.expires_at ? moment(key.expires_at) : say("never")}</td>
                  </tr>
                ))}
              </tbody>
            </table>
            {data.length === 0 && <p className="lm-subtle">{say("no_keys")}</p>}
          </div>
        )}
      </Loaded>
    </Dialog>
  );
}
