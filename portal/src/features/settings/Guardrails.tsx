/** Guardrails of this installation's own: what no prompt may hold and no answer shows. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Card } from "../../components/Card";
import { Confirm } from "../../components/Dialog";
import { Empty, Loaded } from "../../components/States";
import { useGet, useSend } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import { ifMatch } from "../../lib/versions";
import { GuardrailForm } from "./GuardrailForm";
import { GuardrailServiceForm } from "./GuardrailServiceForm";
import { addressOf, modesOf, serviceOf } from "./guardrailServices";
import { draftOf, partsOf, replaced, type Entry } from "./guardrails";
import { GROUP, readGuardrails } from "./guardrailGroup";

export default function Guardrails() {
  const say = useSay();
  const may = useMay()("admin:settings:write");
  const found = useGet("/api/v1/admin/settings/{group}", { path: GROUP });
  const known = useGet("/api/v1/admin/guardrails/known");
  const remove = useRemove();
  const [form, setForm] = useState<Entry | "new" | "service" | null>(null);
  const [doomed, setDoomed] = useState<Entry | null>(null);
  const told = (entry: Entry) => {
    const service = serviceOf(entry);
    const applies = say(draftOf(entry).isAlwaysOn ? "for_every_call" : "where_named");
    if (service) return [say(`guard_kind_${service}`), addressOf(entry), modesOf(entry).map((mode) => say(`guard_mode_${mode}`)).join(", "), applies];
    return [draftOf(entry).sides.map((side) => say(`guards_${side}`)).join(", "), applies, say("n_patterns", { count: partsOf(entry) })];
  };
  const isService = form === "service" || (form !== null && form !== "new" && serviceOf(form) !== null);
  const entriesOf = (held: unknown) => (held as { guardrails: Entry[] }).guardrails;
  return (
    <div className="lm-columns">
      <Card title={say("own_guardrails")} wide aside={may && <Adding add={setForm} />}>
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
                      <div className="lm-subtle">{told(entry).join(" · ")}</div>
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
      {form && !isService && found.data && known.data && <GuardrailForm opened={found.data as never} name={nameOf(form)} known={known.data} close={() => setForm(null)} />}
      {form && isService && found.data && <GuardrailServiceForm opened={found.data as never} name={nameOf(form)} close={() => setForm(null)} />}
      {doomed && (
        <Confirm
          title={say("delete_what", { what: doomed.guardrail_name })}
          text={say("delete_guardrail_text")}
          submit={say("delete")}
          close={() => setDoomed(null)}
          act={() => remove(doomed.guardrail_name)}
        />
      )}
    </div>
  );
}

const nameOf = (form: Entry | string) => (typeof form === "string" ? null : form.guardrail_name);

function Adding({ add }: { add: (what: "new" | "service") => void }) {
  const say = useSay();
  return (
    <span className="lm-actions">
      <Button onClick={() => add("new")}>{say("add_guardrail")}</Button>
      <Button variant="secondary" onClick={() => add("service")}>
        {say("add_guard_service")}
      </Button>
    </span>
  );
}

/** Takes one entry out; all others are taken as they are at this moment, so that nobody's change is lost. */
function useRemove() {
  const put = useSend("put", "/api/v1/admin/settings/{group}");
  return async (name: string) => {
    const now = await readGuardrails();
    await put.mutateAsync({ path: GROUP, body: { guardrails: replaced(now.guardrails, name, null) } as never, headers: ifMatch(now) });
  };
}
