/** Who asks for access, and what was decided? The oldest request first; several can be decided at once. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { useState } from "react";
import { Link } from "react-router";
import { Figure } from "../../components/Card";
import { DataTable } from "../../components/DataTable";
import { Confirm, FormDialog } from "../../components/Dialog";
import { Area } from "../../components/fields";
import { Filter, Search, Toolbar } from "../../components/Filters";
import { Page } from "../../components/Page";
import { Status } from "../../components/Status";
import { History } from "../../concepts/subscriptions/History";
import { TeamFilter, UserFilter } from "../../concepts/people/filters";
import { SUBSCRIPTION_STATES } from "../../concepts/subscriptions/states";
import { useGet, useSend, type Reply } from "../../lib/api";
import { ago, count, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import type { Key } from "../../lib/keys";
import { listQuery, useListState } from "../../lib/listState";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";
import { EditSubscription } from "./EditSubscription";
import { GrantMany } from "./GrantMany";

type Row = Reply<"/api/v1/admin/subscriptions", "get">["data"][number];
type Wanted = "approve" | "deny";

export default function AdminSubscriptions() {
  const say = useSay();
  const may = useMay()("admin:subscriptions:write");
  const list = useListState({ filters: { statuses: "pending" } });
  const found = useGet("/api/v1/admin/subscriptions", { query: listQuery(list, ["statuses", "models", "users", "teams"]) as never }, { keep: true });
  const stats = useGet("/api/v1/admin/subscriptions/stats").data;
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [grants, setGrants] = useState(false);
  const [open, setOpen] = useState<{ act: Wanted | "suspend" | "return" | "edit" | "delete" | "history"; rows: Row[] | string[] } | null>(null);
  const models = useGet("/api/v1/admin/models", { query: { limit: 100 } }).data?.data ?? [];
  const pick = (row: Row, on: boolean) => {
    const next = new Set(picked);
    if (on) next.add(row.id);
    else next.delete(row.id);
    setPicked(next);
  };
  const done = () => {
    setPicked(new Set());
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
              <Button onClick={() => setOpen({ act: "approve", rows: [...picked] })}>
                {say("approve_n", { count: picked.size })}
              </Button>
              <Button variant="danger" onClick={() => setOpen({ act: "deny", rows: [...picked] })}>
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
      </Toolbar>
      <DataTable<Row>
        caption={say("subscriptions")}
        query={found}
        list={list}
        rowKey={(row) => row.id}
        rowName={(row) => `${row.holder.name} ${row.model.name}`}
        empty={{ title: say("no_requests_waiting"), text: say("no_requests_waiting_text") }}
        {...(may ? { select: { picked, can: (row: Row) => row.status === "pending", pick } } : {})}
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
          { title: say("requested"), sort: "created_at", cell: (row) => <span title={moment(row.created_at)}>{ago(row.created_at)}</span> },
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
      {(open?.act === "approve" || open?.act === "deny") && <Decide act={open.act} ids={open.rows.map((row) => (typeof row === "string" ? row : row.id))} close={() => setOpen(null)} done={done} />}
      {grants && <GrantMany close={() => setGrants(false)} />}
      {open?.act === "history" && <History id={one.id} title={`${one.holder.name} – ${one.model.name}`} close={() => setOpen(null)} isAdmin />}
      {open?.act === "suspend" && <Suspend row={one} close={() => setOpen(null)} />}
      {open?.act === "return" && <Return row={one} close={() => setOpen(null)} />}
      {open?.act === "edit" && <EditSubscription id={one.id} title={`${one.holder.name} – ${one.model.name}`} close={() => setOpen(null)} />}
      {open?.act === "delete" && <Remove row={one} close={() => setOpen(null)} />}
    </Page>
  );
}

function Decide({ act, ids, close, done }: { act: Wanted; ids: string[]; close: () => void; done: () => void }) {
  const say = useSay();
  const approve = useSend("post", "/api/v1/admin/subscriptions/approve");
  const deny = useSend("post", "/api/v1/admin/subscriptions/deny");
  const [reason, setReason] = useState("");
  const [missing, setMissing] = useState(false);
  const sending = act === "approve" ? approve : deny;
  const result = sending.data;
  const send = async () => {
    if (act === "deny" && !reason.trim()) return setMissing(true);
    const outcome = await (act === "approve"
      ? approve.mutateAsync({ body: { subscription_ids: ids, ...(reason.trim() ? { reason: reason.trim() } : {}) } })
      : deny.mutateAsync({ body: { subscription_ids: ids, reason: reason.trim() } })
    ).catch(() => null);
    if (outcome && outcome.failed === 0) {
      tell("success", say(act === "approve" ? "n_approved" : "n_denied", { count: outcome.successful }));
      done();
    }
  };
  return (
    <FormDialog title={say(act === "approve" ? "approve_n" : "deny_n", { count: ids.length })} submit={say(act)} close={result ? done : close} send={send} busy={sending.isPending} error={sending.error} danger={act === "deny"} isDisabled={Boolean(result)}>
      <p>{say(act === "approve" ? "approve_text" : "deny_text")}</p>
      <Area label={say("comment")} value={reason} onChange={(value) => { setReason(value); setMissing(false); }} isRequired={act === "deny"} error={missing ? say("field_required") : undefined} />
      {result && result.failed > 0 && (
        <div className="lm-failure" role="alert">
          <p>{say("n_succeeded_m_failed", { n: result.successful, m: result.failed })}</p>
          <ul>
            {result.errors.map((error) => (
              <li key={error.subscription_id}>{error.message}</li>
            ))}
          </ul>
        </div>
      )}
    </FormDialog>
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
