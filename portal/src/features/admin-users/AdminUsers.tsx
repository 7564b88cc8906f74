/** People: who they are, what they may, what they have spent. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { useState } from "react";
import { Link } from "react-router";
import { DataTable } from "../../components/DataTable";
import { FormDialog } from "../../components/Dialog";
import { Check, Choice, fieldErrors, Money, Whole } from "../../components/fields";
import { Filter, Search, Toolbar } from "../../components/Filters";
import { Meter } from "../../components/Meter";
import { Page } from "../../components/Page";
import { Status } from "../../components/Status";
import { TeamFilter } from "../../concepts/people/filters";
import { ROLES } from "../../concepts/roles";
import { exportAddress } from "../../components/ExportDialog";
import { windowOptions } from "../../concepts/windows";
import { useGet, useSend, type Reply } from "../../lib/api";
import { ago, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { listQuery, useListState } from "../../lib/listState";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";
import { DeactivateMany } from "./DeactivateMany";
import { GrantMany } from "../admin-subscriptions/GrantMany";

type Row = Reply<"/api/v1/admin/users", "get">["data"][number];
const FILTERS = ["role", "is_active", "team_id", "group"];

export default function AdminUsers() {
  const say = useSay();
  const has = useMay();
  const may = has("admin:users:write");
  const mayGrant = has("admin:subscriptions:write");
  const list = useListState();
  const query = listQuery(list, FILTERS);
  const found = useGet("/api/v1/admin/users", { query: query as never }, { keep: true });
  const [bulk, setBulk] = useState(false);
  const [grants, setGrants] = useState(false);
  const [ending, setEnding] = useState(false);
  const [people, setPeople] = useState<ReadonlyMap<string, string>>(new Map());
  const picked = new Set(people.keys());
  const { page: _page, limit: _limit, sort: _sort, order: _order, ...chosen } = query;
  const pick = (row: Row, on: boolean) => {
    const next = new Map(people);
    if (on) next.set(row.id, row.username);
    else next.delete(row.id);
    setPeople(next);
  };
  return (
    <Page
      title={say("users")}
      subtitle={say("users_subtitle")}
      labels={!may && <Label isCompact>{say("read_only")}</Label>}
      actions={
        <>
          {mayGrant && picked.size > 0 && <Button variant="secondary" onClick={() => setGrants(true)}>{say("grant_models_to_n", { count: picked.size })}</Button>}
          {may && picked.size > 0 && <Button variant="secondary" isDanger onClick={() => setEnding(true)}>{say("deactivate_n", { count: picked.size })}</Button>}
          {may && <Button onClick={() => setBulk(true)}>{picked.size ? say("set_limits_of_n", { count: picked.size }) : say("set_limits_of_all")}</Button>}
          <Button variant="secondary" component="a" href={exportAddress("/api/v1/admin/users/export", { ...chosen, format: "csv" })}>
            {say("export")}
          </Button>
        </>
      }
    >
      <Toolbar search={<Search list={list} label={say("search_users")} />}>
        <Filter list={list} name="role" label={say("role")} options={ROLES.map((value) => ({ value, text: say(`role_${value}`) }))} />
        <Filter list={list} name="is_active" label={say("state")} options={[{ value: "true", text: say("status_active") }, { value: "false", text: say("status_inactive") }]} />
        <TeamFilter list={list} name="team_id" />
      </Toolbar>
      <DataTable<Row>
        caption={say("users")}
        query={found}
        list={list}
        rowKey={(row) => row.id}
        rowName={(row) => row.username}
        empty={{ title: say("no_users") }}
        {...(may || mayGrant ? { select: { picked, can: () => true, pick } } : {})}
        columns={[
          { title: say("username"), sort: "username", cell: (row) => <Link to={`/admin/users/${encodeURIComponent(row.id)}`}>{row.username}</Link> },
          { title: say("full_name"), sort: "full_name", cell: (row) => row.full_name ?? "–" },
          { title: say("email"), sort: "email", cell: (row) => row.email ?? "–" },
          { title: say("roles"), cell: (row) => <span className="lm-labels">{row.roles.map((role) => <Label key={role} isCompact color={role === "admin" ? "purple" : "grey"}>{say(`role_${role}`)}</Label>)}</span> },
          { title: say("state"), cell: (row) => <Status value={row.is_active ? "active" : "inactive"} /> },
          { title: say("spend"), cell: (row) => <Meter used={row.spent_nano} limit={row.limits?.max_budget_nano} label={say("budget")} /> },
          { title: say("last_sign_in"), sort: "last_sign_in_at", cell: (row) => (row.last_sign_in_at ? <span title={moment(row.last_sign_in_at)}>{ago(row.last_sign_in_at)}</span> : say("not_yet")) },
        ]}
      />
      {bulk && <BulkLimits ids={[...picked]} close={() => setBulk(false)} done={() => setPeople(new Map())} />}
      {ending && <DeactivateMany people={people} close={() => setEnding(false)} done={() => setPeople(new Map())} />}
      {grants && <GrantMany people={[...people].map(([id, name]) => ({ id, name }))} close={() => setGrants(false)} />}
    </Page>
  );
}

interface Limits {
  max_budget_nano: number | null;
  budget_duration: string | null;
  tpm_limit: number | null;
  rpm_limit: number | null;
}

/** Only what is ticked is changed; ticked and empty = no limit. */
function BulkLimits({ ids, close, done }: { ids: string[]; close: () => void; done: () => void }) {
  const say = useSay();
  const bulk = useSend("post", "/api/v1/admin/users/bulk");
  const [values, setValues] = useState<Limits>({ max_budget_nano: null, budget_duration: "monthly", tpm_limit: null, rpm_limit: null });
  const [on, setOn] = useState<Partial<Record<keyof Limits, boolean>>>({});
  const errors = fieldErrors(bulk.error);
  const set = (changes: Partial<Limits>) => setValues({ ...values, ...changes });
  const limits = Object.fromEntries((Object.keys(values) as (keyof Limits)[]).filter((name) => on[name]).map((name) => [name, values[name]]));
  const send = async () => {
    await bulk.mutateAsync({ body: { action: "limits", limits, ...(ids.length ? { user_ids: ids } : {}) } as never }).then((outcome) => {
      tell("success", say("n_users_changed", { count: outcome.updated }));
      done();
      close();
    }, () => undefined);
  };
  const line = (name: keyof Limits, field: React.ReactNode, label: string) => (
    <div>
      <Check label={say("change_what", { what: label })} checked={on[name] ?? false} onChange={(ticked) => setOn({ ...on, [name]: ticked })} />
      {on[name] && field}
    </div>
  );
  return (
    <FormDialog title={ids.length ? say("set_limits_of_n", { count: ids.length }) : say("set_limits_of_all")} submit={say("save")} close={close} send={send} busy={bulk.isPending} error={bulk.error} isDisabled={Object.keys(limits).length === 0}>
      <p>{say("bulk_text")}</p>
      {line("max_budget_nano", <Money label={say("budget")} value={values.max_budget_nano} onChange={(value) => set({ max_budget_nano: value })} error={errors["max_budget_nano"]} />, say("budget"))}
      {line("budget_duration", <Choice label={say("budget_window")} value={values.budget_duration ?? ""} onChange={(value) => set({ budget_duration: value || null })} options={windowOptions(say)} />, say("budget_window"))}
      {line("tpm_limit", <Whole label={say("tpm")} value={values.tpm_limit} onChange={(value) => set({ tpm_limit: value })} error={errors["tpm_limit"]} />, say("tpm"))}
      {line("rpm_limit", <Whole label={say("rpm")} value={values.rpm_limit} onChange={(value) => set({ rpm_limit: value })} error={errors["rpm_limit"]} />, say("rpm"))}
    </FormDialog>
  );
}
