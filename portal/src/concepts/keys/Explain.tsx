/** Why was I blocked? Every gate in order, for this key and a model, now; and what was refused lately. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Card } from "../../components/Card";
import { Refusal } from "../../components/Dialog";
import { Choice } from "../../components/fields";
import { Loaded } from "../../components/States";
import { useGet, useSend } from "../../lib/api";
import { ago, count, moment, money } from "../../lib/format";
import { useSay, type Say } from "../../lib/i18n";
import type { Key } from "../../lib/keys";
import type { KeyRow } from "./columns";

const GATES = new Set(["key", "owner", "team", "team_models", "link", "model", "subscription", "policies", "budget", "quota", "rate_limit", "customer", "endpoint"]);
const gateWord = (say: Say, name: string) => (GATES.has(name) ? say(`gate_${name}` as Key) : name.replaceAll("_", " "));

interface Gate {
  used?: number | null;
  limit?: number | null;
  unit?: string | null;
}

function figures(say: Say, gate: Gate): string {
  if (gate.limit == null) return "";
  const show = gate.unit?.includes("nano") || gate.unit === "money" ? money : count;
  return say("used_of", { used: show(gate.used ?? 0), limit: show(gate.limit) });
}

export function Explain({ keyShown }: { keyShown: KeyRow }) {
  const say = useSay();
  const [model, setModel] = useState(keyShown.models[0]?.name ?? "");
  const explain = useSend("post", "/api/v1/keys/{key_id}/explain");
  const blocks = useGet("/api/v1/keys/{key_id}/blocks", { path: { key_id: keyShown.id } });
  const ask = () => explain.mutate({ path: { key_id: keyShown.id }, body: { model } });
  const found = explain.data;
  const failed = found?.checks.find((check) => check.passes === false);
  return (
    <div className="lm-columns">
      <Card title={say("check_now")}>
        <div className="lm-toolbar">
          <Choice label={say("model")} value={model} onChange={setModel} options={keyShown.models.map((one) => ({ value: one.name, text: one.name }))} />
          <Button isLoading={explain.isPending} isDisabled={!model} onClick={ask}>
            {say("check_now")}
          </Button>
        </div>
        <Refusal error={explain.error} />
        {found && (
          <>
            <p className={`lm-banner ${failed ? "lm-danger" : "lm-success"}`} role="status">
              {failed ? `${gateWord(say, failed.name)}: ${failed.action ?? failed.code}` : say("would_pass")}
            </p>
            <ol className="lm-items">
              {found.checks.map((check, index) => (
                <li key={index} className="lm-row">
                  <span>
                    <span aria-hidden="true">{check.passes === null ? "–" : check.passes ? "✓" : "✗"}</span> {gateWord(say, check.name)} <span className="pf-v6-screen-reader">{say(check.passes === null ? "not_reached" : check.passes ? "passed" : "not_passed")}</span>
                  </span>
                  <span className="lm-subtle">
                    {figures(say, check as Gate)} {check.passes === false && check.frees_at && say("frees_when", { when: ago(check.frees_at) })}
                  </span>
                </li>
              ))}
            </ol>
          </>
        )}
      </Card>
      <Card title={say("refused_lately")}>
        <Loaded query={blocks}>
          {({ data }) =>
            data.length === 0 ? (
              <p className="lm-subtle">{say("nothing_refused")}</p>
            ) : (
              <ul className="lm-items">
                {data.map((block, index) => (
                  <li key={index} className="lm-item">
                    <strong>{block.message}</strong>
                    {block.action && <span>{block.action}</span>}
                    <footer>
                      <span title={moment(block.at)}>{ago(block.at)}</span> <code>{block.code}</code> {figures(say, block as Gate)}
                      {block.frees_at && say("frees_when", { when: ago(block.frees_at) })}
                    </footer>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
    </div>
  );
}
