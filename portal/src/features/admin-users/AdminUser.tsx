/** One person for administrators: identity and roles, limits, keys, subscriptions. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { Card, Facts } from "../../components/Card";
import { Confirm } from "../../components/Dialog";
import { Page } from "../../components/Page";
import { Loaded } from "../../components/States";
import { Status } from "../../components/Status";
import { Tabs, useTab } from "../../components/Tabs";
import { RequestLog } from "../../concepts/requests/RequestLog";
import { useGet, useSend, type Reply } from "../../lib/api";
import { count, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import { Blocked } from "./Blocked";
import { Roles, UserLimits } from "./UserForms";
import { UserKeys } from "./UserKeys";
import { UserSubscriptions } from "./UserSubscriptions";

export type User = Reply<"/api/v1/admin/users/{user_id}", "get">;

export default function AdminUser() {
  const { id = "" } = useParams();
  const say = useSay();
  const may = useMay()("admin:users:write");
  const mayRead = useMay()("admin:requests:read");
  const tab = useTab("profile");
  const found = useGet("/api/v1/admin/users/{user_id}", { path: { user_id: id } });
  const tabs = [
    { key: "profile", text: say("profile") },
    { key: "limits", text: say("budget_and_limits") },
    { key: "keys", text: say("api_keys") },
    { key: "subscriptions", text: say("subscriptions") },
    ...(mayRead ? [{ key: "requests", text: say("requests") }] : []),
  ];
  return (
    <Page
      title={found.data?.full_name ?? found.data?.username ?? say("user")}
      subtitle={found.data?.email}
      crumb={{ to: "/admin/users", text: say("users") }}
      labels={
        found.data && (
          <>
            <Status value={found.data.is_active ? "active" : "inactive"} /> {!may && <Label isCompact>{say("read_only")}</Label>}
          </>
        )
      }
      actions={found.data && may && <Access user={found.data} />}
    >
      <Loaded query={found} rows={8}>
        {(user) => (
          <>
            <Blocked user={user} />
            <Tabs tabs={tabs} label={user.username} current={tab} />
            {tab === "profile" && <Profile user={user} />}
            {tab === "limits" && <UserLimits user={user} />}
            {tab === "keys" && <UserKeys id={user.id} />}
            {tab === "subscriptions" && <UserSubscriptions id={user.id} />}
            {tab === "requests" && mayRead && <RequestLog scope="all" fixed={{ users: user.id }} />}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Access({ user }: { user: User }) {
  const say = useSay();
  const patch = useSend("patch", "/api/v1/admin/users/{user_id}");
  const [asking, setAsking] = useState(false);
  const path = { user_id: user.id };
  const act = (reason: string) => patch.mutateAsync({ path, body: { is_active: !user.is_active, ...(reason ? { reason } : {}) } as never });
  return (
    <>
      <Link className="pf-v6-c-button pf-m-secondary" to={`/admin/audit?actor=${encodeURIComponent(user.id)}`}>{say("activity")}</Link>
      <Link className="pf-v6-c-button pf-m-secondary" to={`/admin/usage?users=${encodeURIComponent(encodeURIComponent(user.id))}`}>{say("view_usage")}</Link>
      <Button variant={user.is_active ? "danger" : "secondary"} onClick={() => setAsking(true)}>
        {say(user.is_active ? "deactivate" : "reactivate")}
      </Button>
      {asking && (
        <Confirm
          title={`${say(user.is_active ? "deactivate" : "reactivate")}: ${user.username}`}
          text={say(user.is_active ? "deactivate_text" : "reactivate_text", { count: user.keys.active })}
          submit={say(user.is_active ? "deactivate" : "reactivate")}
          danger={user.is_active}
          reason="optional"
          close={() => setAsking(false)}
          act={act}
        />
      )}
    </>
  );
}

function Profile({ user }: { user: User }) {
  const say = useSay();
  return (
    <div className="lm-columns">
      <Card title={say("identity")}>
        <Facts
          facts={[
            [say("username"), user.username],
            [say("full_name"), user.full_name ?? "–"],
            [say("email"), user.email ?? "–"],
            [say("provider"), user.provider],
            [say("cost_centre"), user.cost_centre],
            [say("groups"), user.groups.join(", ") || say("none")],
            [say("teams"), user.teams.length ? user.teams.map((team) => <div key={team.id}><Link to={`/teams/${team.id}`}>{team.name}</Link></div>) : say("none")],
            [say("created"), moment(user.created_at)],
            [say("last_sign_in"), user.last_sign_in_at ? moment(user.last_sign_in_at) : say("not_yet")],
            [say("api_keys"), say("n_of_m_active", { n: user.keys.active, m: user.keys.total })],
            [say("subscriptions"), count(user.subscriptions.active)],
          ]}
        />
      </Card>
      <Roles user={user} />
    </div>
  );
}
