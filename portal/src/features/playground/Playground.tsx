/** Trying models with one's own key, through the server: one, or up to four side by side. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useEffect, useState } from "react";
import { Link, useSearchParams } from "react-router";
import { Card } from "../../components/Card";
import { Choice } from "../../components/fields";
import { Page } from "../../components/Page";
import { Empty, Loaded } from "../../components/States";
import { useGet, type Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { Chat } from "./Chat";
import { Embed } from "./Embed";
import { Convert } from "./Convert";
import { USUAL, type Settings } from "./conversation";
import { Parameters } from "./Parameters";
import "./playground.css";

const STORED = "litemaas.playground";
type KeyRow = Reply<"/api/v1/keys", "get">["data"][number];

function useKept(): [Settings, (settings: Settings) => void] {
  const [settings, setSettings] = useState<Settings>(() => {
    try {
      return { ...USUAL, ...(JSON.parse(localStorage.getItem(STORED) ?? "{}") as Partial<Settings>) };
    } catch {
      return USUAL;
    }
  });
  useEffect(() => localStorage.setItem(STORED, JSON.stringify(settings)), [settings]);
  return [settings, setSettings];
}

export default function Playground() {
  const say = useSay();
  const keys = useGet("/api/v1/keys", { query: { limit: 100, state: "active" } });
  return (
    <Page title={say("playground")} subtitle={say("playground_subtitle")}>
      <Loaded query={keys} rows={8}>
        {({ data }) =>
          data.length === 0 ? (
            <Empty title={say("no_key_yet")} text={say("playground_needs_key")} action={<Link to="/api-keys?create=">{say("create_key")}</Link>} />
          ) : (
            <Desk keys={data} />
          )
        }
      </Loaded>
    </Page>
  );
}

function Desk({ keys }: { keys: KeyRow[] }) {
  const say = useSay();
  const [params] = useSearchParams();
  const [settings, setSettings] = useKept();
  const wanted = params.get("model");
  const [keyId, setKeyId] = useState(params.get("key") ?? keys.find((one) => one.models.some((model) => model.name === wanted))?.id ?? keys[0]!.id);
  const key = keys.find((one) => one.id === keyId) ?? keys[0]!;
  const usable = key.models.filter((model) => model.effective);
  const [chosen, setChosen] = useState<string[]>(wanted ? [wanted] : []);
  const known = chosen.filter((name) => usable.some((model) => model.name === name));
  const names = known.length ? known : [usable.find((model) => model.type === "chat")?.name ?? usable[0]?.name ?? ""];
  const entries = useGet("/api/v1/models", { query: { limit: 100 } }).data?.data ?? [];
  const typeOf = (name: string) => usable.find((model) => model.name === name)?.type ?? "chat";
  const type = typeOf(names[0]!);
  const most = entries.find((entry) => entry.name === names[0])?.max_output_tokens ?? 128_000;
  const choose = (index: number, name: string) => setChosen(names.map((one, at) => (at === index ? name : one)));
  const others = usable.filter((model) => model.type === "chat" && !names.includes(model.name));
  return (
    <div className="lm-play">
      <Card title={say("settings")}>
        <Choice label={say("api_key")} value={key.id} onChange={setKeyId} options={keys.map((one) => ({ value: one.id, text: one.name }))} />
        {names.map((name, index) => (
          <Choice
            key={index}
            label={names.length > 1 ? `${say("model")} ${index + 1}` : say("model")}
            value={name}
            onChange={(value) => choose(index, value)}
            options={key.models.filter((model) => names.length === 1 || model.type === "chat").map((model) => ({ value: model.name, text: model.effective ? model.name : `${model.name} – ${say("not_usable")}` }))}
          />
        ))}
        {type === "chat" && (
          <div className="lm-actions">
            {others.length > 0 && names.length < 4 && (
              <Button variant="secondary" size="sm" onClick={() => setChosen([...names, others[0]!.name])}>
                {say("compare")}
              </Button>
            )}
            {names.length > 1 && (
              <Button variant="link" size="sm" onClick={() => setChosen(names.slice(0, -1))}>
                {say("fewer")}
              </Button>
            )}
          </div>
        )}
        {type === "chat" && <Parameters settings={settings} change={setSettings} most={most} />}
      </Card>
      {usable.length === 0 ? (
        <Empty title={say("no_usable_model")} text={say("no_usable_model_text")} action={<Link to="/models">{say("models")}</Link>} />
      ) : type === "embeddings" ? (
        <Embed keyId={key.id} model={names[0]!} />
      ) : type === "convert" ? (
        <Convert keyId={key.id} model={names[0]!} />
      ) : (
        <Chat key={key.id} keyId={key.id} names={names} entries={entries} settings={settings} setSettings={setSettings} continueWith={(name) => setChosen([name])} />
      )}
    </div>
  );
}
