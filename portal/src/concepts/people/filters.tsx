/** Lists narrowed to one person or one team, out of all that there are. */
import { FoundFilter } from "../../components/FoundFilter";
import { useGet } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import type { ListState } from "../../lib/listState";

const SHOWN = 8;
const searched = (search: string) => ({ limit: SHOWN, ...(search ? { search } : {}) });

function useUsers(search: string, isOpen: boolean) {
  const found = useGet("/api/v1/admin/users", { query: { ...searched(search), brief: true } as never }, { enabled: isOpen, keep: true });
  return { ...found, rows: found.data?.data.map((row) => ({ id: row.id, name: row.username, note: row.full_name })) };
}

function useUserName(id: string) {
  return useGet("/api/v1/admin/users/{user_id}", { path: { user_id: id } }, { enabled: id !== "" }).data?.username;
}

function useTeams(search: string, isOpen: boolean) {
  const found = useGet("/api/v1/teams", { query: searched(search) as never }, { enabled: isOpen, keep: true });
  return { ...found, rows: found.data?.data.map((row) => ({ id: row.id, name: row.name })) };
}

function useTeamName(id: string) {
  return useGet("/api/v1/teams/{team_id}", { path: { team_id: id } }, { enabled: id !== "" }).data?.name;
}

interface Narrowed {
  list: ListState;
  name: string;
}

export function UserFilter({ list, name }: Narrowed) {
  const say = useSay();
  return <FoundFilter list={list} name={name} label={say("user")} useFound={useUsers} useName={useUserName} />;
}

export function TeamFilter({ list, name }: Narrowed) {
  const say = useSay();
  return <FoundFilter list={list} name={name} label={say("team")} useFound={useTeams} useName={useTeamName} />;
}
