/** One model: each of its endpoints with what runs there, how fast it is, and what is wrong with it. */
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { Link } from "react-router";
import { Card } from "../../components/Card";
import { Meter } from "../../components/Meter";
import { Status } from "../../components/Status";
import type { Reply } from "../../lib/api";
import { ago, count, milliseconds, moment } from "../../lib/format";
import { useSay, type Say } from "../../lib/i18n";

export type ModelCapacity = Reply<"/api/v1/admin/capacity", "get">["models"][number];
type Deployment = ModelCapacity["deployments"][number];

export function ModelCard({ model, known }: { model: ModelCapacity; known: boolean }) {
  const say = useSay();
  const refused = Object.entries(model.refused);
  const title = <Link to={`/admin/models/${encodeURIComponent(model.model_id)}`}>{model.name}</Link>;
  return (
    <Card title={title} aside={<Link to={`/admin/usage?models=${encodeURIComponent(model.name)}`}>{say("usage")}</Link>}>
      {model.deployments.length === 0 ? (
        <p className="lm-bad">{say("no_endpoints")}</p>
      ) : (
        <div className="lm-list">
          <Table aria-label={model.name} variant="compact">
            <Thead>
              <Tr>
                {columns(say, known).map((column) => (
                  <Th key={column.title} modifier="nowrap" className={column.number ? "lm-number" : ""}>
                    {column.title}
                  </Th>
                ))}
              </Tr>
            </Thead>
            <Tbody>
              {model.deployments.map((deployment) => (
                <Tr key={deployment.id}>
                  {columns(say, known).map((column, index) => {
                    const Cell = index === 0 ? Th : Td;
                    return (
                      <Cell key={column.title} dataLabel={column.title} {...(index === 0 ? { scope: "row" } : {})} className={column.number ? "lm-number" : ""}>
                        {column.cell(deployment)}
                      </Cell>
                    );
                  })}
                </Tr>
              ))}
            </Tbody>
          </Table>
        </div>
      )}
      {refused.length > 0 && (
        <p>
          {say("refused_by_platform")}:{" "}
          {refused.map(([code, calls], index) => (
            <span key={code}>
              {index > 0 && ", "}
              <code>{code}</code> {count(calls)}
            </span>
          ))}
        </p>
      )}
    </Card>
  );
}

function columns(say: Say, known: boolean) {
  return [
    { title: say("endpoint_address"), cell: (one: Deployment) => <Address deployment={one} /> },
    { title: say("health"), cell: (one: Deployment) => <Health deployment={one} /> },
    {
      title: say("calls_running"),
      cell: (one: Deployment) => (
        <>
          {known ? <Running deployment={one} /> : "–"}
          <Caps deployment={one} />
        </>
      ),
    },
    { title: say("requests_per_minute"), number: true, cell: (one: Deployment) => count(one.requests_per_minute) },
    { title: say("tokens_generated_per_second"), number: true, cell: (one: Deployment) => count(one.tokens_per_second) },
    { title: say("ttft_p50_p95"), number: true, cell: (one: Deployment) => `${milliseconds(one.ttft_p50_ms)} / ${milliseconds(one.ttft_p95_ms)}` },
    { title: say("per_token"), number: true, cell: (one: Deployment) => milliseconds(one.ms_per_token) },
    { title: say("failures"), number: true, cell: (one: Deployment) => <span className={one.failures > 0 ? "lm-bad" : ""}>{say("n_of_m", { n: count(one.failures), m: count(one.calls) })}</span> },
  ];
}

function Address({ deployment }: { deployment: Deployment }) {
  return (
    <>
      <code className="lm-subtle">{deployment.api_base}</code>
      {!deployment.enabled && (
        <div>
          <Status value="disabled" />
        </div>
      )}
    </>
  );
}

function Health({ deployment }: { deployment: Deployment }) {
  const say = useSay();
  return (
    <>
      <span title={deployment.health_at ? `${moment(deployment.health_at)} (${ago(deployment.health_at)})` : undefined}>
        <Status value={deployment.health} />
      </span>
      {deployment.health_detail && deployment.health !== "healthy" && <div className="lm-subtle">{deployment.health_detail}</div>}
      {deployment.cold_workers > 0 && <div className="lm-bad">{say("left_alone_by", { count: deployment.cold_workers, seconds: deployment.cold_s, why: deployment.cold_because ?? "–" })}</div>}
    </>
  );
}

function Running({ deployment }: { deployment: Deployment }) {
  const say = useSay();
  if (deployment.parallel_cap === null) return <>{count(deployment.running)}</>;
  return <Meter used={deployment.running} limit={deployment.parallel_cap} unit="count" label={say("calls_running")} />;
}

/** What may reach the endpoint at most; the cap of calls at a time is the end of its bar. */
function Caps({ deployment }: { deployment: Deployment }) {
  const say = useSay();
  const caps = [
    deployment.rpm_limit !== null && `${say("rpm")}: ${count(deployment.rpm_limit)}`,
    deployment.tpm_limit !== null && `${say("tpm")}: ${count(deployment.tpm_limit)}`,
  ].filter(Boolean);
  if (caps.length > 0) return <div className="lm-subtle">{caps.join(" · ")}</div>;
  return deployment.parallel_cap === null ? <div className="lm-subtle lm-once">{say("no_cap")}</div> : null;
}
