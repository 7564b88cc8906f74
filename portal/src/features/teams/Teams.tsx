/** My teams; administrators see all of them and make new ones. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Link } from "react-router";
import { DataTable } from "../../components/DataTable";
import { Search, Toolbar } from "../../components/Filters";
import { Meter } from "../../components/Meter";
import { Page } from "../../components/Page";
import { Status } from "../../components/Status";
import { useGet, type Reply } from "../../lib/api";
import { count } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { listQuery, useListState } from "../../lib/listState";
import { useMay } from "../../lib/session";
import { TeamForm } from "./TeamForm";

type Row = Reply<"/api/v1/teams", "get">["data"][number];

export default function Teams() {
  const say = useSay();
  const may = useMay()("admin:teams:write");
  const list = useListState();
  const found = useGet("/api/v1/teams", { query: listQuery(list) as never }, { keep: true });
  const [creating, setCreating] = useState(false);
  const button = may && <Button onClick={() => setCreating(true)}>{say("create_team")}</Button>;
  return (
    <Page title={say("teams")} subtitle={say("teams_subtitle")} actions={button}>
      <Toolbar search={<Search list={list} label={say("search_teams")} />} />
      <DataTable<Row>
        caption={say("teams")}
        query={found}
        list={list}
        rowKey={(row) => row.id}
        rowName={(row) => row.name}
        empty={{ title: say("no_teams"), text: say("no_teams_text"), action: button }}
        columns={[
          {
            title: say("name"),
            sort: "name",
            cell: (row) => (
              <>
                <Link to={`/teams/${encodeURIComponent(row.id)}`}>{row.name}</Link>
                {row.description && <div className="lm-subtle lm-clip">{row.description}</div>}
              </>
            ),
          },
          { title: say("my_role"), cell: (row) => (row.role ? say(`team_role_${row.role}`) : "–") },
          { title: say("state"), cell: (row) => <Status value={row.is_active ? "active" : "inactive"} /> },
          { title: say("members"), number: true, cell: (row) => count(row.members) },
          { title: say("api_keys"), number: true, cell: (row) => count(row.keys) },
          { title: say("spend"), cell: (row) => <Meter used={row.spent_nano} limit={row.max_budget_nano} label={say("budget")} /> },
        ]}
      />
      {creating && <TeamForm team={null} close={() => setCreating(false)} />}
    </Page>
  );
}
