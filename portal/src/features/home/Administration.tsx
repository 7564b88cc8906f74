/** For administrators: what waits for a decision, what is wrong with the platform, which workshops run, and when was the last backup? */
import { Link } from "react-router";
import { Card } from "../../components/Card";
import { Loaded } from "../../components/States";
import { useGet } from "../../lib/api";
import { ago, count, daysAgo, moment, money } from "../../lib/format";
import { prepareTexts, useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";

await prepareTexts("admin");

export default function Administration() {
  const may = useMay();
  return (
    <>
      {may("admin:subscriptions:read") && <Approvals />}
      {may("admin:health") && <Platform />}
      {may("admin:usage:read") && <Spenders />}
    </>
  );
}

const SPENDERS = 5;

/** Who has used most of the money in thirty days; each leads to the person's usage. */
function Spenders() {
  const say = useSay();
  const usage = useGet("/api/v1/usage/analytics", { query: { scope: "all", start_date: daysAgo(29), end_date: daysAgo(0), top_n: SPENDERS } });
  return (
    <Card title={say("top_spenders")} aside={<Link to="/admin/usage?days=30">{say("usage_analytics")}</Link>}>
      <Loaded query={usage}>
        {({ top_users, cost }) => {
          const people = (top_users ?? []).filter((one) => one.cost_nano > 0).sort((a, b) => b.cost_nano - a.cost_nano);
          if (people.length === 0) return <p className="lm-subtle">{say("nobody_spent")}</p>;
          return (
            <>
              <ol className="lm-items">
                {people.slice(0, SPENDERS).map((one) => (
                  <li key={one.id} className="lm-row">
                    {one.id ? <Link to={`/admin/usage?days=30&users=${encodeURIComponent(encodeURIComponent(one.id))}`}>{one.name ?? one.id}</Link> : say("none")}
                    <span>{money(one.cost_nano)}</span>
                  </li>
                ))}
              </ol>
              <p className="lm-subtle">
                {say("last_n_days", { count: 30 })}: {money(cost.total_nano)}
              </p>
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

function Platform() {
  const say = useSay();
  const may = useMay();
  const health = useGet("/api/v1/admin/health", {}, { refetchInterval: 60_000 });
  const workshops = useGet("/api/v1/workshops", { query: { limit: 100 } }, { enabled: may("admin:workshops:read") });
  const backups = useGet("/api/v1/admin/backups", {}, { enabled: may("admin:backup") });
  const models = useGet("/api/v1/admin/capacity", {}, { refetchInterval: 60_000 });
  const ill = (models.data?.models ?? []).filter((model) => model.deployments.some((one) => one.enabled && (one.health === "degraded" || one.health === "unavailable")));
  const running = workshops.data?.data.filter((one) => one.state === "running" || one.state === "claim_open").length ?? 0;
  const newest = backups.data?.data[0];
  return (
    <Card title={say("platform")} aside={<Link to="/admin/capacity">{say("capacity")}</Link>}>
      <Loaded query={health}>
        {({ problems }) =>
          problems.length === 0 ? (
            <p className="lm-good">{say("platform_is_well")}</p>
          ) : (
            <>
              <p className="lm-bad">{say("n_problems", { count: problems.length })}</p>
              <ul>
                {problems.slice(0, 5).map((problem) => (
                  <li key={problem} lang="en">
                    {problem}
                  </li>
                ))}
              </ul>
            </>
          )
        }
      </Loaded>
      {ill.length > 0 && (
        <p className="lm-fair">
          {say("models_not_well", { count: ill.length })}:{" "}
          {ill.slice(0, 5).map((model, index) => (
            <span key={model.model_id}>
              {index > 0 && ", "}
              <Link to={`/admin/models/${encodeURIComponent(model.model_id)}`}>{model.name}</Link>
            </span>
          ))}
        </p>
      )}
      {running > 0 && <Link to="/workshops">{say("workshops_running", { count: running })}</Link>}
      {backups.data && (
        <Link to="/admin/settings/backup" className={newest ? "" : "lm-fair"} title={newest && moment(newest.created_at)}>
          {newest ? say("last_backup_when", { when: ago(newest.created_at) }) : say("no_backups")}
        </Link>
      )}
    </Card>
  );
}

function Approvals() {
  const say = useSay();
  const stats = useGet("/api/v1/admin/subscriptions/stats");
  return (
    <Card title={say("administration")} aside={<Link to="/admin/subscriptions">{say("see_all")}</Link>}>
      <Loaded query={stats}>
        {(found) => (
          <div className="lm-big">
            <strong>{count(found.pending)}</strong>
            <span>{say("requests_waiting", { count: found.pending })}</span>
          </div>
        )}
      </Loaded>
    </Card>
  );
}
