/** One model for administrators: what it is, where it runs, what it costs, and its life. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import { Card, Facts } from "../../components/Card";
import { Refusal } from "../../components/Dialog";
import { GuardedForm } from "../../components/GuardedForm";
import { Page } from "../../components/Page";
import { Loaded } from "../../components/States";
import { Status } from "../../components/Status";
import { ModelPerformance } from "../../concepts/usage/Performance";
import { changesBetween } from "../../components/differences";
import { useGuardedForm } from "../../components/useGuarded";
import { call, useGet, useSend, type BodyOf, type Reply } from "../../lib/api";
import { useDraft } from "../../lib/drafts";
import { moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";
import { Endpoints, FirstEndpoint, EMPTY_ENDPOINT, type EndpointDraft } from "./Endpoints";
import { Life } from "./Life";
import { ModelFields, modelDraft, type ModelDraft } from "./ModelFields";

type Held = Reply<"/api/v1/admin/models/{model_id}", "get">;

export default function AdminModel() {
  const { id = "" } = useParams();
  return id === "new" ? <NewModel /> : <OldModel id={id} />;
}

function NewModel() {
  const say = useSay();
  const navigate = useNavigate();
  const create = useSend("post", "/api/v1/admin/models");
  const [draft, setDraft] = useDraft<ModelDraft>("model", () => modelDraft(null));
  const [endpoint, setEndpoint] = useState<EndpointDraft>(EMPTY_ENDPOINT);
  const [tried, setTried] = useState(false);
  const incomplete = !draft.name || !endpoint.api_base || (draft.type !== "convert" && !endpoint.engine_model);
  const save = async () => {
    setTried(true);
    if (incomplete) return;
    const { api_key, engine_model, ...rest } = endpoint;
    const body = { ...draft, deployments: [{ ...rest, engine_model: engine_model || draft.name, ...(api_key ? { api_key } : {}) }] };
    await create.mutateAsync({ body: body as BodyOf<"/api/v1/admin/models", "post"> }).then((made) => {
      tell("success", say("saved"));
      void navigate(`/admin/models/${made.id}`);
    }, () => undefined);
  };
  return (
    <Page title={say("add_model")} crumb={{ to: "/admin/models", text: say("models") }}>
      <form
        className="lm-stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <div className="lm-columns">
          <Card title={say("about_model")}>
            <ModelFields draft={draft} change={setDraft} error={create.error} isNew missing={tried && !draft.name ? say("field_required") : undefined} />
          </Card>
          <Card title={say("endpoint")}>
            <FirstEndpoint draft={endpoint} change={setEndpoint} type={draft.type} error={create.error} missing={tried ? say("field_required") : undefined} />
          </Card>
        </div>
        <Refusal error={create.error} />
        <div>
          <Button type="submit" isLoading={create.isPending} isDisabled={create.isPending}>
            {say("save")}
          </Button>
        </div>
      </form>
    </Page>
  );
}

function OldModel({ id }: { id: string }) {
  const say = useSay();
  const has = useMay();
  const may = has("admin:models:write");
  const maySeeUsage = has("admin:usage:read");
  const found = useGet("/api/v1/admin/models/{model_id}", { path: { model_id: id } });
  return (
    <Page
      title={found.data?.display_name ?? found.data?.name ?? say("model")}
      crumb={{ to: "/admin/models", text: say("models") }}
      labels={
        <>
          <Status value={found.data?.status} /> {!may && <Label isCompact>{say("read_only")}</Label>}
        </>
      }
      actions={found.data && may && <Life model={found.data} />}
    >
      <Loaded query={found} rows={8}>
        {(model) => (
          <div className="lm-columns">
            <Edit newest={model} />
            <Endpoints model={model} />
            <Card title={say("facts")}>
              <Facts
                facts={[
                  [say("health"), <Status key="health" value={model.health} />],
                  [say("created"), moment(model.created_at)],
                  [say("updated"), moment(model.updated_at)],
                  [say("retires"), model.retires_at && moment(model.retires_at)],
                  [say("successor"), model.successor?.name],
                ]}
              />
            </Card>
            {maySeeUsage && <ModelPerformance model={model.name} scope="all" />}
          </div>
        )}
      </Loaded>
    </Page>
  );
}

type ModelChanges = Omit<ModelDraft, "type" | "restricted_access">;

/** Type and access are changed in other ways than by this form. */
function changeable(model: Held): ModelChanges {
  const { type: _type, restricted_access: _restricted, ...rest } = modelDraft(model);
  return rest;
}

function Edit({ newest }: { newest: Held }) {
  const say = useSay();
  const may = useMay()("admin:models:write");
  const patch = useSend("patch", "/api/v1/admin/models/{model_id}");
  const path = { model_id: newest.id };
  const form = useGuardedForm(newest, {
    valuesOf: changeable,
    read: () => call("get", "/api/v1/admin/models/{model_id}", { path }),
    send: (mine, over, headers) => patch.mutateAsync({ path, body: changesBetween(changeable(over), mine) as never, headers }),
  });
  const draft: ModelDraft = { ...modelDraft(form.held), ...form.values };
  return (
    <Card title={say("about_model")}>
      <GuardedForm form={form} may={may} sending={patch}>
        <ModelFields draft={draft} change={({ type: _type, restricted_access: _restricted, ...rest }) => form.change(rest)} error={patch.error} />
      </GuardedForm>
    </Card>
  );
}
