/** One key: what it may, what it used, how to use it, and why it does not work when it does not. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { useParams } from "react-router";
import { Card, Facts } from "../../components/Card";
import { Copyable } from "../../components/Copy";
import { Choice } from "../../components/fields";
import { Meter } from "../../components/Meter";
import { Page } from "../../components/Page";
import { Loaded } from "../../components/States";
import { Status } from "../../components/Status";
import { Tabs, useTab } from "../../components/Tabs";
import { shownState, type KeyRow } from "../../concepts/keys/columns";
import { Explain } from "../../concepts/keys/Explain";
import { KeyActions, useKeyActions } from "../../concepts/keys/KeyActions";
import { modelType } from "../../concepts/models/words";
import { RequestLog } from "../../concepts/requests/RequestLog";
import { Snippets } from "../../concepts/snippets/Snippets";
import { Analytics } from "../../concepts/usage/Analytics";
import { windowWord } from "../../concepts/windows";
import { useGet } from "../../lib/api";
import { ago, count, day, moment, UNKNOWN } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useListState } from "../../lib/listState";
import { useGatewayUrl } from "../../lib/product";
import { useMay } from "../../lib/session";

export default function Key() {
  const { id = "" } = useParams();
  const say = useSay();
  const may = useMay()("api_keys:write");
  const tab = useTab("overview");
  const found = useGet("/api/v1/keys/{key_id}", { path: { key_id: id } });
  const actions = useKeyActions();
  const tabs = (["overview", "usage", "requests", "code", "blocked"] as const).map((key) => ({ key, text: key === "requests" ? say("requests") : say(`tab_${key}`) }));
  return (
    <Page
      title={found.data?.name ?? say("api_key")}
      subtitle={found.data?.description}
      crumb={{ to: "/api-keys", text: say("api_keys") }}
      labels={found.data && <Status value={shownState(found.data)} />}
      actions={
        found.data &&
        may &&
        actions.items(found.data).map((item) => (
          <Button key={item.title} variant={"isDanger" in item ? "danger" : "secondary"} onClick={item.onClick}>
            {item.title}
          </Button>
        ))
      }
    >
      <Loaded query={found} rows={8}>
        {(key) => (
          <>
            <Tabs tabs={tabs} label={key.name} current={tab} />
            {tab === "overview" && <Overview keyShown={key} />}
            {tab === "usage" && <KeyUsage id={key.ledger_id} />}
            {tab === "requests" && <RequestLog scope="me" fixed={{ keys: key.ledger_id }} />}
            {tab === "code" && <Code keyShown={key} />}
            {tab === "blocked" && <Explain keyShown={key} />}
          </>
        )}
      </Loaded>
      <KeyActions state={actions} />
    </Page>
  );
}

function Overview({ keyShown: key }: { keyShown: KeyRow }) {
  const say = useSay();
  const base = useGatewayUrl();
  const limit = (value: number | null) => (value === null ? say("no_limit") : count(value));
  return (
    <div className="lm-columns">
      <Card title={say("about_key")}>
        <Facts
          facts={[
            [say("key"), <code key="key">{`${key.prefix}…${key.last4}`}</code>],
            [say("base_address"), <Copyable key="base" text={`${base}/v1`} label={say("base_address")} />],
            [say("owner"), key.team?.name ?? key.owner?.username ?? say("me")],
            [say("expires"), key.expires_at ? day(key.expires_at) : say("never")],
            [say("created"), moment(key.created_at)],
            [say("last_used"), key.last_used_at ? ago(key.last_used_at) : say("not_yet")],
            [say("requests"), count(key.request_count)],
            [say("model_limits"), Object.keys(key.model_limits).join(", ") || null],
            [say("old_value"), key.old_secret_valid_until && say("ends_when", { when: ago(key.old_secret_valid_until) })],
          ]}
        />
      </Card>
      <Card title={say("budget_and_limits")}>
        <Meter used={key.spent_nano} limit={key.max_budget_nano} label={say("budget")} />
        <Facts
          facts={[
            [say("budget_window"), key.max_budget_nano === null ? null : windowWord(say, key.budget_duration)],
            [say("resets"), key.budget_reset_at && moment(key.budget_reset_at)],
            [say("tpm"), limit(key.tpm_limit)],
            [say("rpm"), limit(key.rpm_limit)],
            [say("parallel"), limit(key.max_parallel_requests)],
          ]}
        />
      </Card>
      <Card title={say("models")} wide>
        {key.models.length === 0 ? (
          <p>{say("key_without_models")}</p>
        ) : (
          <ul className="lm-items">
            {key.models.map((model) => (
              <li key={model.id} className="lm-row">
                <Copyable text={model.name} label={say("model_id")} />
                {model.effective ? <Status value="active" /> : <Status value={model.blocked_by ?? "inactive"} />}
              </li>
            ))}
          </ul>
        )}
      </Card>
    </div>
  );
}

function KeyUsage({ id }: { id: string }) {
  const list = useListState();
  return <Analytics list={{ ...list, filters: { ...list.filters, keys: id } }} scope="me" dimensions={["model"]} />;
}

function Code({ keyShown: key }: { keyShown: KeyRow }) {
  const say = useSay();
  const [name, setName] = useState(key.models[0]?.name ?? "");
  const model = key.models.find((one) => one.name === name);
  if (!model) return <p>{say("key_without_models")}</p>;
  return (
    <div className="lm-stack">
      <Choice label={say("model")} value={name} onChange={setName} options={key.models.map((one) => ({ value: one.name, text: one.name }))} />
      <Snippets model={model.name} type={modelType(model.type)} />
      <p className="lm-subtle">{say("code_reads_key", { key: `${key.prefix}…${key.last4 || UNKNOWN}` })}</p>
    </div>
  );
}
