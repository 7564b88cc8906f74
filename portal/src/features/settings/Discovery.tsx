/** What did discovery find in the clusters, what became of it, and where was edited what a cluster says? */
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { Link } from "react-router";
import { Card } from "../../components/Card";
import { PlainTable } from "../../components/PlainTable";
import { Empty, Loaded } from "../../components/States";
import { useGet, type Reply } from "../../lib/api";
import { ago, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";

type Cluster = Reply<"/api/v1/admin/discovery", "get">["data"][number];
type Server = Cluster["servers"][number];
const COLOURS = { adopted: "green", not_ready: "orange", waiting: "blue", refused: "red", unseen: "grey" } as const;
const EVERY_MS = 15_000;

export default function Discovery() {
  const say = useSay();
  const found = useGet("/api/v1/admin/discovery", {}, { refetchInterval: EVERY_MS });
  return (
    <Loaded query={found}>
      {({ data }) =>
        data.length === 0 ? (
          <Empty title={say("no_discovery")} text={say("no_discovery_text")} />
        ) : (
          <div className="lm-stack">
            {data.map((cluster) => (
              <ClusterCard key={cluster.cluster} cluster={cluster} />
            ))}
          </div>
        )
      }
    </Loaded>
  );
}

function ClusterCard({ cluster }: { cluster: Cluster }) {
  const say = useSay();
  const drifted = cluster.servers.filter((server) => server.drift.length > 0);
  const counts = (Object.keys(COLOURS) as Server["state"][]).flatMap((state) => {
    const many = cluster.servers.filter((server) => server.state === state).length;
    return many ? [{ state, many }] : [];
  });
  return (
    <Card title={cluster.cluster} wide aside={<span className="lm-labels">{counts.map(({ state, many }) => <State key={state} state={state} many={many} />)}</span>}>
      {cluster.is_late && <p className="lm-banner lm-warning">{cluster.reported_at ? say("discovery_late", { time: moment(cluster.reported_at) }) : say("discovery_never")}</p>}
      <p className="lm-subtle">
        {[cluster.reported_at && say("reported_when", { when: ago(cluster.reported_at) }), cluster.namespaces.length > 0 && `${say("namespaces")}: ${cluster.namespaces.join(", ")}`].filter(Boolean).join(" · ")}
      </p>
      {cluster.servers.length === 0 ? (
        <p>{say("no_annotated_servers")}</p>
      ) : (
        <PlainTable
          caption={say("servers_of", { name: cluster.cluster })}
          isOfWords
          head={[say("model_server"), say("state"), say("model"), say("gets_calls"), say("edited_here")]}
          rows={cluster.servers.map((server) => [
            <Named key="name" server={server} />,
            <Outcome key="state" server={server} />,
            server.model_id ? <Link key="model" to={`/admin/models/${server.model_id}`}>{server.model}</Link> : (server.model ?? "–"),
            say(server.is_routed ? "yes" : "no"),
            String(server.drift.length || "–"),
          ])}
        />
      )}
      {drifted.length > 0 && (
        <>
          <h3>{say("drift")}</h3>
          <p className="lm-subtle">{say("drift_text")}</p>
          <PlainTable
            caption={say("drift")}
            isOfWords
            head={[say("model_server"), say("field"), say("cluster_says"), say("catalogue_keeps")]}
            rows={drifted.flatMap((server) => server.drift.map((one) => [server.name, <code key="member">{one.member}</code>, written(one.cluster), written(one.catalogue)]))}
          />
        </>
      )}
    </Card>
  );
}

function Named({ server }: { server: Server }) {
  return (
    <div>
      {server.name}
      <div className="lm-subtle">
        {server.kind} · {server.namespace}
      </div>
    </div>
  );
}

function State({ state, many }: { state: Server["state"]; many?: number }) {
  const say = useSay();
  return (
    <Label isCompact color={COLOURS[state]}>
      {say(`discovery_${state}`)} {many}
    </Label>
  );
}

function Outcome({ server }: { server: Server }) {
  return (
    <div>
      <State state={server.state} />
      {server.reason && <div className="lm-subtle">{server.reason}</div>}
    </div>
  );
}

const written = (value: unknown) => (value === null || value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value));
