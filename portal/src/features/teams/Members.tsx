/** Who is in a team, in which role, with which share of its budget? */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { DataTable } from "../../components/DataTable";
import { Confirm, FormDialog } from "../../components/Dialog";
import { Choice, fieldErrors, Money, Text } from "../../components/fields";
import { Search, Toolbar } from "../../components/Filters";
import { Meter } from "../../components/Meter";
import { useGet, useSend, type Reply } from "../../lib/api";
import { day } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { listQuery, useListState } from "../../lib/listState";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";
import type { Team } from "./TeamForm";

type Member = Reply<"/api/v1/teams/{team_id}/members", "get">["data"][number];
const ROLES = ["member", "admin", "viewer"] as const;

export function Members({ team }: { team: Team }) {
  const say = useSay();
  const isAdmin = useMay()("admin:teams:write");
  const may = isAdmin || team.role === "admin";
  const list = useListState();
  const found = useGet("/api/v1/teams/{team_id}/members", { path: { team_id: team.id }, query: listQuery(list) as never }, { keep: true });
  const remove = useSend("delete", "/api/v1/teams/{team_id}/members/{user_id}");
  const [form, setForm] = useState<Member | "new" | null>(null);
  const [doomed, setDoomed] = useState<Member | null>(null);
  return (
    <>
      <Toolbar search={<Search list={list} label={say("search_users")} />} end={may && <Button onClick={() => setForm("new")}>{say("add_member")}</Button>} />
      <DataTable<Member>
        caption={say("members")}
        query={found}
        list={list}
        rowKey={(row) => row.user_id}
        rowName={(row) => row.username}
        empty={{ title: say("no_members") }}
        columns={[
          { title: say("username"), cell: (row) => row.username },
          { title: say("full_name"), cell: (row) => row.full_name ?? "–" },
          { title: say("role"), cell: (row) => say(`team_role_${row.role}`) },
          { title: say("spend"), cell: (row) => <Meter used={row.spent_nano} limit={row.cap_nano} label={say("budget")} /> },
          { title: say("joined"), cell: (row) => day(row.joined_at) },
        ]}
        {...(may
          ? {
              actions: (row: Member) => [
                { title: say("edit"), onClick: () => setForm(row) },
                { title: say("remove"), isDanger: true, onClick: () => setDoomed(row) },
              ],
            }
          : {})}
      />
      {form && <MemberForm team={team} member={form === "new" ? null : form} close={() => setForm(null)} />}
      {doomed && <Confirm title={`${say("remove")}: ${doomed.username}`} text={say("remove_member_text")} submit={say("remove")} close={() => setDoomed(null)} act={() => remove.mutateAsync({ path: { team_id: team.id, user_id: doomed.user_id } })} />}
    </>
  );
}

function MemberForm({ team, member, close }: { team: Team; member: Member | null; close: () => void }) {
  const say = useSay();
  const add = useSend("post", "/api/v1/teams/{team_id}/members");
  const patch = useSend("patch", "/api/v1/teams/{team_id}/members/{user_id}");
  const [username, setUsername] = useState("");
  const [role, setRole] = useState<string>(member?.role ?? "member");
  const [cap, setCap] = useState(member?.max_budget_nano ?? null);
  const error = add.error ?? patch.error;
  const send = async () => {
    const body = { role, max_budget_nano: cap } as never;
    const sending = member
      ? patch.mutateAsync({ path: { team_id: team.id, user_id: member.user_id }, body })
      : add.mutateAsync({ path: { team_id: team.id }, body: { username: username.trim(), role, max_budget_nano: cap } as never });
    await sending.then(() => {
      tell("success", say("saved"));
      close();
    }, () => undefined);
  };
  return (
    <FormDialog title={member ? say("edit_what", { what: member.username }) : say("add_member")} submit={say("save")} close={close} send={send} busy={add.isPending || patch.isPending} error={error} isDisabled={!member && !username.trim()}>
      {!member && <Text label={say("username")} value={username} maxLength={255} onChange={setUsername} isRequired error={fieldErrors(error)["username"]} />}
      <Choice label={say("role")} value={role} onChange={setRole} options={ROLES.map((value) => ({ value, text: say(`team_role_${value}`) }))} />
      <Money label={say("budget_per_member")} value={cap} onChange={setCap} help={say("empty_team_default")} />
    </FormDialog>
  );
}
