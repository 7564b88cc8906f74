/** How are my models, and what was refused to me today? */
import { Link } from "react-router";
import { Card } from "../../components/Card";
import { Loaded } from "../../components/States";
import { useGet } from "../../lib/api";
import { ago, count } from "../../lib/format";
import { prepareTexts, useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";

await prepareTexts("pages");

export default function Lately() {
  const may = useMay();
  return (
    <>
      {may("models:read") && <MyModels />}
      {may("usage:read") && <Blocks />}
    </>
  );
}

const DAY_MS = 86_400_000;
const MOST = 200;

/** Only those that need a look are named. */
export function MyModels() {
  const say = useSay();
  const found = useGet("/api/v1/models", { query: { subscription: "active", limit: 100 } });
  return (
    <Card title={say("my_models")} aside={<Link to="/models?subscription=active">{say("see_all")}</Link>}>
      <Loaded query={found}>
        {({ data }) => {
          const odd = data.filter((model) => model.health === "degraded" || model.health === "unavailable" || model.status === "deprecated");
          if (data.length === 0) return <Link to="/models">{say("start_pick_model")}</Link>;
          if (odd.length === 0) return <p className="lm-good">{say("my_models_well", { count: data.length })}</p>;
          return (
            <ul className="lm-items">
              {odd.map((model) => (
                <li key={model.id} className="lm-row">
                  <Link to={`/models/${model.id}`}>{model.name}</Link>
                  <span className="lm-fair">
                    {model.status === "deprecated" ? say("status_deprecated") : say(`status_${model.health}`)}
                    {model.retires_at && `, ${say("retires_when", { when: ago(model.retires_at) })}`}
                  </span>
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </Card>
  );
}

/** By reason; nothing where nothing was refused. */
export function Blocks() {
  const say = useSay();
  // To the hour, so that the question stays the same while the page is looked at.
  const since = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - DAY_MS).toISOString();
  const found = useGet("/api/v1/requests", { query: { outcome: ["refused"], since, limit: MOST } });
  const rows = found.data?.data ?? [];
  if (rows.length === 0) return null;
  const reasons = new Map<string, number>();
  for (const row of rows) reasons.set(row.error_code ?? "–", (reasons.get(row.error_code ?? "–") ?? 0) + 1);
  return (
    <Card title={say("refused_in_a_day")} aside={<Link to="/requests?status=refused">{say("see_all")}</Link>}>
      <ul className="lm-items">
        {[...reasons].map(([reason, calls]) => (
          <li key={reason} className="lm-row">
            <code>{reason}</code>
            <span>{calls === MOST ? `≥ ${count(calls)}` : count(calls)}</span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
