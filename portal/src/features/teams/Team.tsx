/** One team: its budget, members, keys and usage. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import { Card, Facts } from "../../components/Card";
import { DataTable } from "../../components/DataTable";
import { Search, Toolbar } from "../../components/Filters";
import { Confirm } from "../../components/Dialog";
import { Meter } from "../../components/Meter";
import { Page } from "../../components/Page";
import { Loaded } from "../../components/States";
import { Status } from "../../components/Status";
import { Tabs, useTab } from "../../components/Tabs";
import { CreateKey } from "../../concepts/keys/CreateKey";
import { keyColumns, type KeyRow } from "../../concepts/keys/columns";
import { KEY_FILTERS, KeyFilters } from "../../concepts/keys/filters";
import { Analytics } from "../../concepts/usage/Analytics";
import { windowWord } from "../../concepts/windows";
import { useGet, useSend } from "../../lib/api";
import { count, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { listQuery, useListState } from "../../lib/listState";
import { useMay } from "../../lib/session";
import { Members } from "./Members";
import { TeamForm, type Team as Held } from "./TeamForm";
import { Link } from "react-router";

export default function Team() {
  const { id = "" } = useParams();
  const say = useSay();
  const may = useMay()("admin:teams:write");
  const navigate = useNavigate();
  const tab = useTab("overview");
  const found = useGet("/api/v1/teams/{team_id}", { path: { team_id: id } });
  const archive = useSend("delete", "/api/v1/teams/{team_id}");
  const [open, setOpen] = useState<"edit" | "archive" | null>(null);
  const team = found.data;
  const tabs = [
    { key: "overview", text: say("tab_overview") },
    { key: "members", text: say("members") },
    { key: "keys", text: say("api_keys") },
    { key: "usage", text: say("usage") },
  ];
  return (
    <Page
      title={team?.name ?? say("team")}
      subtitle={team?.description}
      crumb={{ to: "/teams", text: say("teams") }}
      labels={team && <Status value={team.is_active ? "active" : "inactive"} />}
      actions={
        team &&
        may && (
          <>
            <Button variant="secondary" onClick={() => setOpen("edit")}>
              {say("edit")}
            </Button>
            <Button variant="danger" onClick={() => setOpen("archive")}>
              {say("archive")}
            </Button>
          </>
        )
      }
    >
      <Loaded query={found} rows={8}>
        {(held) => (
          <>
            <Tabs tabs={tabs} label={held.name} current={tab} />
            {tab === "overview" && <Overview team={held} />}
            {tab === "members" && <Members team={held} />}
            {tab === "keys" && <TeamKeys team={held} />}
            {tab === "usage" && <TeamUsage id={held.id} />}
            {open === "edit" && <TeamForm team={held} close={() => setOpen(null)} />}
            {open === "archive" && (
              <Confirm
                title={`${say("archive")}: ${held.name}`}
                text={say("archive_text", { members: held.members, keys: held.keys })}
                submit={say("archive")}
                close={() => setOpen(null)}
                act={() => archive.mutateAsync({ path: { team_id: held.id } }).then(() => navigate("/teams"))}
              />
            )}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Overview({ team }: { team: Held }) {
  const say = useSay();
  const limit = (value: number | null) => (value === null ? say("no_limit") : count(value));
  return (
    <div className="lm-columns">
      <Card title={say("budget_and_limits")}>
        <Meter used={team.spent_nano} limit={team.max_budget_nano} label={say("budget")} />
        <Facts
          facts={[
            [say("budget_window"), windowWord(say, team.budget_duration)],
            [say("resets"), team.budget_reset_at && moment(team.budget_reset_at)],
            [say("tpm"), limit(team.tpm_limit)],
            [say("rpm"), limit(team.rpm_limit)],
            [say("parallel"), limit(team.max_parallel_requests)],
          ]}
        />
      </Card>
      <Card title={say("facts")}>
        <Facts
          facts={[
            [say("my_role"), team.role ? say(`team_role_${team.role}`) : "–"],
            [say("members"), count(team.members)],
            [say("api_keys"), count(team.keys)],
            [say("models"), team.allowed_models === null ? say("all") : team.allowed_models.join(", ") || say("none")],
            [say("cost_centre"), team.cost_centre],
            [say("created"), moment(team.created_at)],
          ]}
        />
      </Card>
    </div>
  );
}

function TeamKeys({ team }: { team: Held }) {
  const say = useSay();
  const may = useMay()("api_keys:write");
  const list = useListState();
  const found = useGet("/api/v1/keys", { query: { ...listQuery(list, KEY_FILTERS), team_id: team.id } as never }, { keep: true });
  const [creating, setCreating] = useState(false);
  const mayCreate = may && (team.role === "admin" || (team.role === "member" && team.members_may_create_keys));
  const button = mayCreate && <Button onClick={() => setCreating(true)}>{say("create_key")}</Button>;
  return (
    <>
      {button && <div className="lm-actions">{button}</div>}
      <Toolbar search={<Search list={list} label={say("search_keys")} />}>
        <KeyFilters list={list} />
      </Toolbar>
      <DataTable<KeyRow> caption={say("api_keys")} query={found} list={list} rowKey={(row) => row.id} rowName={(row) => row.name} empty={{ title: say("no_keys") }} columns={keyColumns(say, (row) => <Link to={`/api-keys/${row.id}`}>{row.name}</Link>)} />
      {creating && <CreateKey model="" team={team.id} close={() => setCreating(false)} />}
    </>
  );
}

function TeamUsage({ id }: { id: string }) {
  const list = useListState();
  return <Analytics list={list} scope={`team:${id}`} dimensions={["user", "key", "model"]} />;
}
