/** Guardrails of this installation's own: what no prompt may hold and no answer shows. */
import { useQueryClient } from "@tanstack/react-query";
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Card } from "../../components/Card";
import { Confirm } from "../../components/Dialog";
import { Empty, Loaded } from "../../components/States";
import { call, useGet, useSend } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import { ifMatch } from "../../lib/versions";
import { GuardrailForm } from "./GuardrailForm";
import { draftOf, partsOf, type Entry } from "./guardrails";

const GROUP = { group: "guardrails" } as const;

export default function Guardrails() {
  const say = useSay();
  const may = useMay()("admin:settings:write");
  const found = useGet("/api/v1/admin/settings/{group}", { path: GROUP });
  const known = useGet("/api/v1/admin/guardrails/known");
  const replace = useReplace();
  const [form, setForm] = useState<Entry | "new" | null>(null);
  const [doomed, setDoomed] = useState<Entry | null>(null);
  const entriesOf = (held: unknown) => (held as { guardrails: Entry[] }).guardrails;
  return (
    <div className="lm-columns">
      <Card title={say("own_guardrails")} wide aside={may && <Button onClick={() => setForm("new")}>{say("add_guardrail")}</Button>}>
        <Loaded query={found}>
          {(held) =>
            entriesOf(held).length === 0 ? (
              <Empty title={say("no_guardrails")} text={say("no_guardrails_text")} />
            ) : (
              <ul className="lm-items">
                {entriesOf(held).map((entry) => (
                  <li key={entry.guardrail_name} className="lm-row">
                    <div>
                      <strong>{entry.guardrail_name}</strong>
                      <div className="lm-subtle">
                        {[draftOf(entry).sides.map((side) => say(`guards_${side}`)).join(", "), say(draftOf(entry).isAlwaysOn ? "for_every_call" : "where_named"), say("n_patterns", { count: partsOf(entry) })].join(" · ")}
                      </div>
                    </div>
                    {may && (
                      <span className="lm-actions">
                        <Button variant="link" isInline aria-label={say("edit_what", { what: entry.guardrail_name })} onClick={() => setForm(entry)}>
                          {say("edit")}
                        </Button>
                        <Button variant="link" isInline isDanger aria-label={say("delete_what", { what: entry.guardrail_name })} onClick={() => setDoomed(entry)}>
                          {say("delete")}
                        </Button>
                      </span>
                    )}
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      <Card title={say("builtin_guardrails")} wide>
        <p className="lm-subtle">{say("builtin_guardrails_text")}</p>
        <Loaded query={known}>
          {({ groups }) => (
            <dl className="lm-facts">
              {Object.entries(groups).map(([name, kinds]) => (
                <div key={name}>
                  <dt>
                    <code>{name}</code>
                  </dt>
                  <dd>{kinds.join(", ")}</dd>
                </div>
              ))}
            </dl>
          )}
        </Loaded>
      </Card>
      {form && known.data && <GuardrailForm entry={form === "new" ? null : form} known={known.data} close={() => setForm(null)} save={(changed) => replace(form === "new" ? null : form.guardrail_name, changed)} />}
      {doomed && (
        <Confirm
          title={say("delete_what", { what: doomed.guardrail_name })}
          text={say("delete_guardrail_text")}
          submit={say("delete")}
          close={() => setDoomed(null)}
          act={() => replace(doomed.guardrail_name, null)}
        />
      )}
    </div>
  );
}

/** Puts one entry in the place of another; all others are taken as they are at this moment, so that nobody's change is lost. */
function useReplace() {
  const put = useSend("put", "/api/v1/admin/settings/{group}");
  const cache = useQueryClient();
  return async (name: string | null, changed: Entry | null) => {
    const now = (await call("get", "/api/v1/admin/settings/{group}", { path: GROUP })) as object & { guardrails: Entry[] };
    const at = now.guardrails.findIndex((entry) => entry.guardrail_name === name);
    const guardrails = now.guardrails.filter((_, index) => index !== at);
    if (changed) guardrails.splice(at < 0 ? guardrails.length : at, 0, changed);
    await put.mutateAsync({ path: GROUP, body: { guardrails } as never, headers: ifMatch(now) });
    await cache.invalidateQueries();
  };
}
