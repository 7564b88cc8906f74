/** For administrators: what waits for a decision, what is wrong with the platform, which workshops run, and when was the last backup? */
import { Link } from "react-router";
import { Card } from "../../components/Card";
import { Loaded } from "../../components/States";
import { useGet } from "../../lib/api";
import { ago, count, moment } from "../../lib/format";
import { prepareTexts, useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";

await prepareTexts("admin");

export default function Administration() {
  const may = useMay();
  return (
    <>
      {may("admin:subscriptions:read") && <Approvals />}
      {may("admin:health") && <Platform />}
    </>
  );
}

function Platform() {
  const say = useSay();
  const may = useMay();
  const health = useGet("/api/v1/admin/health", {}, { refetchInterval: 60_000 });
  const workshops = useGet("/api/v1/workshops", { query: { limit: 100 } }, { enabled: may("admin:workshops:read") });
  const backups = useGet("/api/v1/admin/backups", {}, { enabled: may("admin:backup") });
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
