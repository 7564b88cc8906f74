/** One model: what it can, what it costs, how well it works, how to call it. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { Card, Facts } from "../../components/Card";
import { Copyable } from "../../components/Copy";
import { Page } from "../../components/Page";
import { Loaded } from "../../components/States";
import { Status } from "../../components/Status";
import { Capabilities, contextWord, hasFirstToken, priceFacts, shownName, typeWord } from "../../concepts/models/words";
import { Snippets } from "../../concepts/snippets/Snippets";
import { SubscribeDialog } from "../../concepts/subscriptions/SubscribeDialog";
import { ModelPerformance } from "../../concepts/usage/Performance";
import { useGet, type Reply } from "../../lib/api";
import { count, day, milliseconds, percent } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";

type Entry = Reply<"/api/v1/models/{model_id}", "get">;

export default function Model() {
  const { id = "" } = useParams();
  const say = useSay();
  const model = useGet("/api/v1/models/{model_id}", { path: { model_id: id } });
  return (
    <Page
      title={model.data ? shownName(model.data) : say("model")}
      subtitle={model.data?.description}
      crumb={{ to: "/models", text: say("models") }}
      labels={model.data?.subscription && <Status value={model.data.subscription.status} />}
      actions={model.data && <Actions model={model.data} />}
    >
      <Loaded query={model} rows={8}>
        {(entry) => <Content model={entry} />}
      </Loaded>
    </Page>
  );
}

function Actions({ model }: { model: Entry }) {
  const say = useSay();
  const may = useMay();
  const navigate = useNavigate();
  const [open, setOpen] = useState(false);
  const status = model.subscription?.status;
  const callable = model.status === "available" || model.status === "deprecated";
  const canAsk = callable && may("subscriptions:write") && !["active", "pending", "suspended", "denied"].includes(status ?? "");
  return (
    <>
      {canAsk && <Button onClick={() => setOpen(true)}>{say(model.needs_approval ? "request_access" : "subscribe")}</Button>}
      {status && <Button variant="secondary" onClick={() => void navigate(`/subscriptions?models=${encodeURIComponent(model.name)}`)}>{say("my_subscription")}</Button>}
      {status === "active" && may("api_keys:write") && (
        <>
          <Button onClick={() => void navigate(`/api-keys?create=${encodeURIComponent(model.name)}`)}>{say("create_key")}</Button>
          <Button variant="secondary" onClick={() => void navigate(`/playground?model=${encodeURIComponent(model.name)}`)}>
            {say("open_in_playground")}
          </Button>
        </>
      )}
      {open && <SubscribeDialog model={model} close={() => setOpen(false)} />}
    </>
  );
}

function Content({ model }: { model: Entry }) {
  const say = useSay();
  const may = useMay();
  return (
    <div className="lm-columns">
      <Card title={say("about_model")}>
        <Facts
          facts={[
            [say("model_id"), <Copyable key="id" text={model.name} label={say("model_id")} />],
            [say("type"), typeWord(say, model.type)],
            [say("provider"), model.provider],
            [say("context"), model.context_length && contextWord(model.context_length)],
            [say("max_output"), model.max_output_tokens && count(model.max_output_tokens)],
            ...priceFacts(say, model.type, model.pricing),
            [say("access"), say(model.needs_approval ? "needs_approval" : "access_open")],
            [say("state"), model.status !== "available" && <Status key="state" value={model.status} />],
            [say("retires"), model.retires_at && day(model.retires_at)],
            [say("successor"), model.successor && <Link key="next" to={`/models/${model.successor.id}`}>{model.successor.display_name ?? model.successor.name}</Link>],
          ]}
        />
        {model.simulated && <p className="lm-banner lm-info">{say("simulated_model")}</p>}
        <Capabilities names={model.capabilities} />
      </Card>
      <Health id={model.id} type={model.type} health={model.health} />
      {model.subscription?.status === "active" && <MyKeys name={model.name} />}
      {may("usage:read") && <ModelPerformance model={model.name} scope={may("admin:usage:read") ? "all" : "me"} />}
      <Card title={say("code")} wide>
        <Snippets model={model.name} type={model.type} />
      </Card>
    </div>
  );
}

/** Which of one's keys can call it? */
function MyKeys({ name }: { name: string }) {
  const say = useSay();
  const keys = useGet("/api/v1/keys", { query: { model: name, state: "active", limit: 100 } });
  return (
    <Card title={say("my_keys_with_it")} wide>
      <Loaded query={keys}>
        {({ data }) =>
          data.length === 0 ? (
            <Link to={`/api-keys?create=${encodeURIComponent(name)}`}>{say("create_key")}</Link>
          ) : (
            <ul className="lm-items">
              {data.map((key) => (
                <li key={key.id} className="lm-row">
                  <Link to={`/api-keys/${key.id}?tab=code`}>{key.name}</Link>
                  <span className="lm-subtle">{key.team?.name ?? say("me")}</span>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Card>
  );
}

function Health({ id, type, health }: { id: string; type: string; health: string }) {
  const say = useSay();
  const stats = useGet("/api/v1/models/{model_id}/stats", { path: { model_id: id } });
  return (
    <Card title={say("last_24_hours")} aside={health !== "unknown" && <Status value={health} />}>
      <Loaded query={stats}>
        {(found) =>
          found.requests === 0 ? (
            <p className="lm-subtle">{say("no_calls_24h")}</p>
          ) : (
            <Facts
              facts={[
                [say("requests"), count(found.requests)],
                [say("availability"), percent(found.availability, 2)],
                [say("latency_p50_p95"), `${milliseconds(found.latency_p50_ms)} / ${milliseconds(found.latency_p95_ms)}`],
                [say("ttft_p50_p95"), hasFirstToken(type) && `${milliseconds(found.ttft_p50_ms)} / ${milliseconds(found.ttft_p95_ms)}`],
                [say("tokens_per_second"), found.tokens_per_second == null ? null : count(Math.round(found.tokens_per_second))],
              ]}
            />
          )
        }
      </Loaded>
    </Card>
  );
}
