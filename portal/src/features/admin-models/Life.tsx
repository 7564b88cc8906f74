/** The life of a model: published, restricted, deprecated, retired, brought back; each says first whom it concerns. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { useNavigate } from "react-router";
import { FormDialog } from "../../components/Dialog";
import { Check, Choice, Text } from "../../components/fields";
import { Loaded } from "../../components/States";
import { daysAgo } from "../../lib/format";
import { useGet, useSend, type Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { tell } from "../../lib/toasts";

type Held = Reply<"/api/v1/admin/models/{model_id}", "get">;
type Act = "restrict" | "deprecate" | "retire" | "reinstate" | "delete_model";

export function Life({ model }: { model: Held }) {
  const say = useSay();
  const [act, setAct] = useState<Act | null>(null);
  const publish = useSend("post", "/api/v1/admin/models/{model_id}/publish");
  const path = { model_id: model.id };
  const offered: Act[] = [
    ...(model.status === "retired" ? (["reinstate"] as const) : (["restrict"] as const)),
    ...(model.status === "available" ? (["deprecate"] as const) : []),
    ...(model.status === "available" || model.status === "deprecated" ? (["retire"] as const) : []),
    "delete_model",
  ];
  return (
    <>
      {model.status === "draft" && (
        <Button isLoading={publish.isPending} onClick={() => publish.mutate({ path }, { onSuccess: () => tell("success", say("published")), onError: (error) => tell("danger", say("not_published"), error) })}>
          {say("publish")}
        </Button>
      )}
      {offered.map((one) => (
        <Button key={one} variant={one === "delete_model" ? "danger" : "secondary"} onClick={() => setAct(one)}>
          {say(one === "restrict" && model.restricted_access ? "lift_restriction" : one)}
        </Button>
      ))}
      {act && <LifeDialog model={model} act={act} close={() => setAct(null)} />}
    </>
  );
}

function LifeDialog({ model, act, close }: { model: Held; act: Act; close: () => void }) {
  const say = useSay();
  const navigate = useNavigate();
  const path = { model_id: model.id };
  const impact = useGet("/api/v1/admin/models/{model_id}/impact", { path });
  const models = useGet("/api/v1/admin/models", { query: { limit: 100, status: ["available"] } }).data?.data ?? [];
  const sends = {
    restrict: useSend("post", "/api/v1/admin/models/{model_id}/restrict"),
    deprecate: useSend("post", "/api/v1/admin/models/{model_id}/deprecate"),
    retire: useSend("post", "/api/v1/admin/models/{model_id}/retire"),
    reinstate: useSend("post", "/api/v1/admin/models/{model_id}/reinstate"),
    delete_model: useSend("delete", "/api/v1/admin/models/{model_id}"),
  };
  const [review, setReview] = useState(true);
  const [restore, setRestore] = useState(true);
  const [when, setWhen] = useState(daysAgo(-30));
  const [successor, setSuccessor] = useState("");
  const sending = sends[act];
  const next = successor ? { successor_id: successor } : {};
  const send = async () => {
    const outcome = {
      restrict: () => sends.restrict.mutateAsync({ path, body: { restricted_access: !model.restricted_access, existing: review ? "review" : "keep" } as never }),
      deprecate: () => sends.deprecate.mutateAsync({ path, body: { retires_at: `${when}T00:00:00Z`, ...next } as never }),
      retire: () => sends.retire.mutateAsync({ path, body: next as never }),
      reinstate: () => sends.reinstate.mutateAsync({ path, body: { restore } as never }),
      delete_model: () => sends.delete_model.mutateAsync({ path }),
    }[act]() as Promise<unknown>;
    await outcome.then(() => {
      tell("success", say("saved"));
      close();
      if (act === "delete_model") void navigate("/admin/models");
    }, () => undefined);
  };
  const lifts = act === "restrict" && model.restricted_access;
  return (
    <FormDialog title={`${say(lifts ? "lift_restriction" : act)}: ${model.name}`} submit={say(lifts ? "lift_restriction" : act)} close={close} send={send} busy={sending.isPending} error={sending.error} danger={act === "retire" || act === "delete_model"}>
      <p>{say(lifts ? "lift_text" : `${act}_text`)}</p>
      <Loaded query={impact}>{(found) => <p role="status">{say("impact", { subscriptions: found.subscriptions, keys: found.keys, users: found.users, teams: found.teams })}</p>}</Loaded>
      {act === "restrict" && !lifts && <Check label={say("review_existing")} checked={review} onChange={setReview} />}
      {act === "reinstate" && <Check label={say("restore_subscriptions")} checked={restore} onChange={setRestore} />}
      {act === "deprecate" && <Text label={say("retires")} type="date" min={daysAgo(-1)} value={when} onChange={setWhen} isRequired />}
      {(act === "deprecate" || act === "retire") && <Choice label={say("successor")} value={successor} onChange={setSuccessor} options={[{ value: "", text: say("none") }, ...models.filter((one) => one.id !== model.id).map((one) => ({ value: one.id, text: one.name }))]} />}
    </FormDialog>
  );
}
