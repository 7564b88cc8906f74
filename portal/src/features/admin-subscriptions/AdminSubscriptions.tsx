/** Who asks for access, and what was decided? The oldest request first; several can be decided at once. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { useState } from "react";
import { Link } from "react-router";
import { Figure } from "../../components/Card";
import { DataTable } from "../../components/DataTable";
import { Confirm } from "../../components/Dialog";
import { Text } from "../../components/fields";
import { Filter, Search, Toolbar } from "../../components/Filters";
import { Page } from "../../components/Page";
import { Status } from "../../components/Status";
import { History } from "../../concepts/subscriptions/History";
import { TeamFilter, UserFilter } from "../../concepts/people/filters";
import { SUBSCRIPTION_STATES } from "../../concepts/subscriptions/states";
import { useGet, useSend } from "../../lib/api";
import { ago, count, dayAfter, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import type { Key } from "../../lib/keys";
import { listQuery, useListState } from "../../lib/listState";
import { useZone } from "../../lib/product";
import { useMay } from "../../lib/session";
import { toMoment } from "../../lib/zones";
import { Decide, keyNames, type Row } from "./Decide";
import { EditSubscription } from "./EditSubscription";
import { GrantMany } from "./GrantMany";

type Wanted = "approve" | "deny";

export default function AdminSubscriptions() {
  const say = useSay();
  const may = useMay()("admin:subscriptions:write");
  const list = useListState({ filters: { statuses: "pending" } });
  const zone = useZone();
  const { asked_from, asked_until } = list.filters;
  const asked = {
    ...(asked_from ? { asked_from: toMoment(`${asked_from}T00:00`, zone) } : {}),
    ...(asked_until ? { asked_until: toMoment(`${dayAfter(asked_until)}T00:00`, zone) } : {}),
  };
  const found = useGet("/api/v1/admin/subscriptions", { query: { ...listQuery(list, ["statuses", "models", "users", "teams"]), ...asked } as never }, { keep: true });
  const stats = useGet("/api/v1/admin/subscriptions/stats").data;
  const [picked, setPicked] = useState<ReadonlyMap<string, Row>>(new Map());
  const [grants, setGrants] = useState(false);
  const [open, setOpen] = useState<{ act: Wanted | "suspend" | "return" | "edit" | "delete" | "history"; rows: Row[] } | null>(null);
  const models = useGet("/api/v1/admin/models", { query: { limit: 100 } }).data?.data ?? [];
  const pick = (row: Row, on: boolean) => {
    const next = new Map(picked);
    if (on) next.set(row.id, row);
    else next.delete(row.id);
    setPicked(next);
  };
  const done = () => {
    setPicked(new Map());
    setOpen(null);
  };
  const one = open?.rows[0] as Row;
  return (
    <Page title={say("subscriptions")} subtitle={say("approvals_subtitle")} labels={!may && <Label isCompact>{say("read_only")}</Label>} actions={may && <Button variant="secondary" onClick={() => setGrants(true)}>{say("grant_models")}</Button>}>
      {stats && (
        <div className="lm-figures">
          <Figure name={say("status_pending")} value={count(stats.pending)} />
          <Figure name={say("approved_today")} value={count(stats.approved_today)} />
          <Figure name={say("denied_today")} value={count(stats.denied_today)} />
        </div>
      )}
      <Toolbar
        search={<Search list={list} />}
        end={
          may &&
          picked.size > 0 && (
            <>
              <Button onClick={() => setOpen({ act: "approve", rows: [...picked.values()] })}>
                {say("approve_n", { count: picked.size })}
              </Button>
              <Button variant="danger" onClick={() => setOpen({ act: "deny", rows: [...picked.values()] })}>
                {say("deny_n", { count: picked.size })}
              </Button>
            </>
          )
        }
      >
        <Filter list={list} name="statuses" label={say("state")} options={SUBSCRIPTION_STATES.map((value) => ({ value, text: say(`status_${value}` as Key) }))} />
        <Filter list={list} name="models" label={say("model")} options={models.map((model) => ({ value: model.name, text: model.name }))} />
        <UserFilter list={list} name="users" />
        <TeamFilter list={list} name="teams" />
        <Text label={say("asked_from")} type="date" value={asked_from ?? ""} onChange={(value) => list.filter("asked_from", value)} />
        <Text label={say("asked_until")} type="date" value={asked_until ?? ""} onChange={(value) => list.filter("asked_until", value)} />
      </Toolbar>
      <DataTable<Row>
        caption={say("subscriptions")}
        query={found}
        list={list}
        rowKey={(row) => row.id}
        rowName={(row) => `${row.holder.name} ${row.model.name}`}
        empty={{ title: say("no_requests_waiting"), text: say("no_requests_waiting_text") }}
        {...(may ? { select: { picked: new Set(picked.keys()), can: (row: Row) => row.status === "pending", pick } } : {})}
        columns={[
          {
            title: say("holder"),
            cell: (row) => (
              <>
                {row.holder.kind === "user" ? <Link to={`/admin/users/${row.holder.id}`}>{row.holder.name}</Link> : <Link to={`/teams/${row.holder.id}`}>{row.holder.name}</Link>}
                <div className="lm-subtle">{row.holder.email ?? row.holder.full_name}</div>
              </>
            ),
          },
          { title: say("model"), sort: "model_name", cell: (row) => <Link to={`/admin/models/${row.model.id}`}>{row.model.name}</Link> },
          { title: say("state"), sort: "status", cell: (row) => <Status value={row.status} /> },
          { title: say("justification"), cell: (row) => <span className="lm-clip" title={row.justification ?? ""}>{row.justification ?? "–"}</span> },
          { title: say("comment"), cell: (row) => <span className="lm-clip">{row.status_reason ?? "–"}</span> },
          { title: say("api_keys"), cell: (row) => <span className="lm-clip" title={keyNames(say, row)}>{keyNames(say, row, 2)}</span> },
          { title: say("requested"), sort: "asked_at", cell: (row) => <span title={moment(row.asked_at)}>{ago(row.asked_at)}</span> },
          { title: say("changed"), sort: "status_changed_at", cell: (row) => <span title={moment(row.status_changed_at)}>{ago(row.status_changed_at)}</span> },
        ]}
        actions={(row) => [
          ...(may && ["pending", "denied"].includes(row.status) ? [{ title: say("approve"), onClick: () => setOpen({ act: "approve", rows: [row] }) }] : []),
          ...(may && ["pending", "active", "suspended"].includes(row.status) ? [{ title: say("deny"), onClick: () => setOpen({ act: "deny", rows: [row] }) }] : []),
          ...(may && ["active", "suspended"].includes(row.status) ? [{ title: say(row.status === "active" ? "suspend" : "resume"), onClick: () => setOpen({ act: "suspend", rows: [row] }) }] : []),
          ...(may && ["active", "denied"].includes(row.status) ? [{ title: say("return_to_queue"), onClick: () => setOpen({ act: "return", rows: [row] }) }] : []),
          ...(may ? [{ title: say("edit_quotas"), onClick: () => setOpen({ act: "edit", rows: [row] }) }] : []),
          { title: say("history"), onClick: () => setOpen({ act: "history", rows: [row] }) },
          ...(may ? [{ title: say("delete"), isDanger: true, onClick: () => setOpen({ act: "delete", rows: [row] }) }] : []),
        ]}
      />
      {(open?.act === "approve" || open?.act === "deny") && <Decide act={open.act} rows={open.rows} close={() => setOpen(null)} done={done} />}
      {grants && <GrantMany close={() => setGrants(false)} />}
      {open?.act === "history" && <History id={one.id} title={`${one.holder.name} – ${one.model.name}`} close={() => setOpen(null)} isAdmin />}
      {open?.act === "suspend" && <Suspend row={one} close={() => setOpen(null)} />}
      {open?.act === "return" && <Return row={one} close={() => setOpen(null)} />}
      {open?.act === "edit" && <EditSubscription id={one.id} title={`${one.holder.name} – ${one.model.name}`} close={() => setOpen(null)} />}
      {open?.act === "delete" && <Remove row={one} close={() => setOpen(null)} />}
    </Page>
  );
}

function Suspend({ row, close }: { row: Row; close: () => void }) {
  const say = useSay();
  const status = useSend("post", "/api/v1/admin/subscriptions/{subscription_id}/status");
  const suspends = row.status === "active";
  const act = (reason: string) => status.mutateAsync({ path: { subscription_id: row.id }, body: { status: suspends ? "suspended" : "active", ...(reason ? { reason } : {}) } });
  return <Confirm title={say(suspends ? "suspend" : "resume")} text={say(suspends ? "suspend_text" : "resume_text", { model: row.model.name, holder: row.holder.name })} submit={say(suspends ? "suspend" : "resume")} danger={suspends} reason={suspends ? "required" : "optional"} close={close} act={act} />;
}

function Return({ row, close }: { row: Row; close: () => void }) {
  const say = useSay();
  const status = useSend("post", "/api/v1/admin/subscriptions/{subscription_id}/status");
  const act = (reason: string) => status.mutateAsync({ path: { subscription_id: row.id }, body: { status: "pending", ...(reason ? { reason } : {}) } });
  return <Confirm title={say("return_to_queue")} text={say("return_text", { model: row.model.name, holder: row.holder.name })} submit={say("return_to_queue")} reason="optional" close={close} act={act} />;
}

function Remove({ row, close }: { row: Row; close: () => void }) {
  const say = useSay();
  const remove = useSend("delete", "/api/v1/admin/subscriptions/{subscription_id}");
  return <Confirm title={say("delete_what", { what: `${row.holder.name} – ${row.model.name}` })} text={say("delete_subscription_text")} submit={say("delete")} reason="required" close={close} act={(reason) => remove.mutateAsync({ path: { subscription_id: row.id }, query: { reason } })} />;
}
