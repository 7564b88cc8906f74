/** Where a model runs: addresses, the engine's own names, keys that go in and never come out. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Card, Facts } from "../../components/Card";
import { Confirm, FormDialog } from "../../components/Dialog";
import { Check, fieldErrors, Text, Whole } from "../../components/fields";
import { Status } from "../../components/Status";
import { changesBetween } from "../../components/differences";
import { useGuardedDialog } from "../../components/useGuarded";
import { call, useSend, type Reply } from "../../lib/api";
import { ago, count } from "../../lib/format";
import { useSay, type Say } from "../../lib/i18n";
import type { Key } from "../../lib/keys";
import { useMay } from "../../lib/session";
import { TestEndpoint } from "./TestEndpoint";

type Held = Reply<"/api/v1/admin/models/{model_id}", "get">;
type Deployment = Held["deployments"][number];

const DETAILS = new Set(["address_not_allowed", "auth_error", "connection_error", "model_not_found", "timeout", "missing_stored_key"]);
/** What a probe found, in words; what is not known is shown as the server says it. */
const detailWord = (say: Say, detail: string | null | undefined) => (detail && DETAILS.has(detail) ? say(`test_${detail}` as Key) : detail);

export interface EndpointDraft {
  provider: string;
  engine_model: string;
  api_base: string;
  api_key: string;
  weight: number;
  tls_verify: boolean;
}

export const EMPTY_ENDPOINT: EndpointDraft = { provider: "hosted_vllm", engine_model: "", api_base: "", api_key: "", weight: 1, tls_verify: true };
const PROVIDERS: Partial<Record<Held["type"], string>> = { chat: "hosted_vllm", convert: "docling" };
const providerFor = (type: Held["type"]) => PROVIDERS[type] ?? "openai_like";

interface FieldsProps {
  draft: EndpointDraft;
  change: (draft: EndpointDraft) => void;
  type: Held["type"];
  error: unknown;
  missing?: string | undefined;
  held?: Deployment;
}

export function FirstEndpoint({ draft, change, type, error, missing, held }: FieldsProps) {
  const say = useSay();
  const errors = fieldErrors(error);
  const set = (changes: Partial<EndpointDraft>) => change({ ...draft, provider: held ? draft.provider : providerFor(type), ...changes });
  return (
    <>
      <Text label={say("api_base")} type="url" value={draft.api_base} onChange={(api_base) => set({ api_base })} isRequired placeholder="https://host/v1" error={errors["api_base"] ?? (draft.api_base ? undefined : missing)} />
      {type !== "convert" && <Text label={say("engine_model")} value={draft.engine_model} onChange={(engine_model) => set({ engine_model })} isRequired help={say("engine_model_help")} error={errors["engine_model"] ?? (draft.engine_model ? undefined : missing)} />}
      <Text label={say("provider_key")} type="password" value={draft.api_key} onChange={(api_key) => set({ api_key })} help={say(held?.has_api_key ? "provider_key_keep" : "provider_key_optional")} />
      <Whole label={say("weight")} min={1} value={draft.weight} onChange={(weight) => set({ weight: weight ?? 1 })} />
      <Check label={say("check_certificate")} checked={draft.tls_verify} onChange={(tls_verify) => set({ tls_verify })} />
      <TestEndpoint draft={draft} type={type} {...(held ? { held: held.id } : {})} />
    </>
  );
}

export function Endpoints({ model }: { model: Held }) {
  const say = useSay();
  const may = useMay()("admin:models:write");
  const remove = useSend("delete", "/api/v1/admin/models/{model_id}/endpoints/{deployment_id}");
  const [open, setOpen] = useState<{ act: "edit" | "delete"; deployment: Deployment | null } | null>(null);
  const doomed = open?.act === "delete" ? open.deployment : null;
  return (
    <Card title={say("endpoints")} aside={may && <Button variant="secondary" size="sm" onClick={() => setOpen({ act: "edit", deployment: null })}>{say("add_endpoint")}</Button>}>
      {model.deployments.length === 0 && <p className="lm-subtle">{say("no_endpoints")}</p>}
      <ul className="lm-items">
        {model.deployments.map((deployment) => (
          <li key={deployment.id} className="lm-item">
            <strong>{deployment.api_base || deployment.provider}</strong>
            <Facts
              facts={[
                [say("health"), <Status key="health" value={deployment.health} />],
                [say("checked"), deployment.health_at && ago(deployment.health_at)],
                [say("engine_model"), deployment.engine_model],
                [say("provider_key"), deployment.has_api_key ? say("stored") : say("none")],
                [say("weight"), count(deployment.weight)],
                [say("error"), deployment.health !== "healthy" && detailWord(say, deployment.health_detail)],
              ]}
            />
            {may && (
              <footer>
                <Button variant="link" isInline onClick={() => setOpen({ act: "edit", deployment })}>
                  {say("edit")}
                </Button>
                <Button variant="link" isInline isDanger onClick={() => setOpen({ act: "delete", deployment })}>
                  {say("delete")}
                </Button>
              </footer>
            )}
          </li>
        ))}
      </ul>
      {open?.act === "edit" && <EditEndpoint model={model} held={open.deployment} close={() => setOpen(null)} />}
      {doomed && <Confirm title={say("delete_what", { what: doomed.api_base })} text={say("delete_endpoint_text")} submit={say("delete")} close={() => setOpen(null)} act={() => remove.mutateAsync({ path: { model_id: model.id, deployment_id: doomed.id } })} />}
    </Card>
  );
}

/** As a form shows it; a key that is stored is never shown. */
function draftOf(model: Held, deployment: Deployment | null | undefined): EndpointDraft {
  if (!deployment) return { ...EMPTY_ENDPOINT, provider: providerFor(model.type) };
  const { provider, engine_model, api_base, weight, tls_verify } = deployment;
  return { provider, engine_model, api_base, api_key: "", weight, tls_verify };
}

/** The version of a deployment is its model's: both are read and changed together. */
function EditEndpoint({ model, held, close }: { model: Held; held: Deployment | null; close: () => void }) {
  const say = useSay();
  const create = useSend("post", "/api/v1/admin/models/{model_id}/endpoints");
  const patch = useSend("patch", "/api/v1/admin/models/{model_id}/endpoints/{deployment_id}");
  const [forget, setForget] = useState(false);
  const error = create.error ?? patch.error;
  const path = { model_id: model.id };
  const ofModel = (read: Held | null) => draftOf(read ?? model, read?.deployments.find((one) => one.id === held?.id));
  const { first, save, conflict } = useGuardedDialog<Held, EndpointDraft, Deployment>({
    opened: held ? model : null,
    valuesOf: ofModel,
    read: () => call("get", "/api/v1/admin/models/{model_id}", { path }),
    change: (mine, over, headers) => {
      const { api_key, ...changes } = changesBetween(ofModel(over), mine);
      const key = api_key ? { api_key } : forget ? { api_key: null } : {};
      return patch.mutateAsync({ path: { ...path, deployment_id: held?.id ?? "" }, body: { ...changes, ...key } as never, headers });
    },
    create: ({ api_key, ...rest }) => create.mutateAsync({ path, body: { ...rest, engine_model: rest.engine_model || model.name, ...(api_key ? { api_key } : {}) } as never }),
    close,
  });
  const [draft, setDraft] = useState(first);
  return (
    <FormDialog title={say(held ? "edit_endpoint" : "add_endpoint")} submit={say("save")} close={close} send={() => save(draft)} busy={create.isPending || patch.isPending} error={error} conflict={conflict}>
      <FirstEndpoint draft={draft} change={setDraft} type={model.type} error={error} {...(held ? { held } : {})} />
      {held?.has_api_key && <Check label={say("forget_provider_key")} checked={forget} onChange={setForget} />}
    </FormDialog>
  );
}
