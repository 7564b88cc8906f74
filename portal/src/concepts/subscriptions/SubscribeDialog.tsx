/** Subscribing to a model: what it costs, why it is wanted where somebody decides, which keys get it. */
import { useState } from "react";
import { useNavigate } from "react-router";
import { Facts } from "../../components/Card";
import { FormDialog } from "../../components/Dialog";
import { Area, Check, fieldErrors } from "../../components/fields";
import { useGet, useSend } from "../../lib/api";
import { useDraft } from "../../lib/drafts";
import { useSay } from "../../lib/i18n";
import { tell } from "../../lib/toasts";
import { priceFacts, shownName, type CatalogueEntry } from "../models/words";

const SHORTEST = 10;

export function SubscribeDialog({ model, close }: { model: CatalogueEntry; close: () => void }) {
  const say = useSay();
  const navigate = useNavigate();
  const subscribe = useSend("post", "/api/v1/subscriptions");
  const keys = useGet("/api/v1/keys", { query: { limit: 100, state: "active" } }).data?.data.filter((key) => !key.team) ?? [];
  const [picked, setPicked] = useState<string[]>([]);
  const [why, setWhy] = useDraft(`subscribe.${model.id}`, "");
  const [short, setShort] = useState(false);
  const send = async () => {
    if (model.needs_approval && why.trim().length < SHORTEST) return setShort(true);
    try {
      const made = await subscribe.mutateAsync({ body: { model_id: model.id, key_ids: picked, ...(why.trim() ? { justification: why.trim() } : {}) } });
      tell("success", say(made.status === "active" ? "subscribed" : "access_requested", { model: shownName(model) }));
      close();
      if (made.status === "active" && picked.length === 0) void navigate(`/api-keys?create=${encodeURIComponent(model.name)}`);
    } catch {
      // Shown in the dialog.
    }
  };
  const problem = short ? say("at_least_n_characters", { count: SHORTEST }) : fieldErrors(subscribe.error)["justification"];
  return (
    <FormDialog
      title={say(model.needs_approval ? "request_access_to" : "subscribe_to", { model: shownName(model) })}
      submit={say(model.needs_approval ? "request_access" : "subscribe")}
      close={close}
      send={send}
      busy={subscribe.isPending}
      error={subscribe.error}
    >
      <Facts facts={priceFacts(say, model.type, model.pricing)} />
      <p>{say(model.needs_approval ? "admin_decides" : "subscribe_text")}</p>
      {model.needs_approval && (
        <Area
          label={say("justification")}
          value={why}
          onChange={(value) => {
            setWhy(value);
            setShort(false);
          }}
          isRequired
          error={problem}
          help={say("justification_help")}
        />
      )}
      {keys.length > 0 && (
        <fieldset className="lm-field">
          <legend>{say("add_to_keys")}</legend>
          <div className="lm-picks">
            {keys.map((key) => (
              <Check key={key.id} label={key.name} checked={picked.includes(key.id)} onChange={(on) => setPicked(on ? [...picked, key.id] : picked.filter((id) => id !== key.id))} />
            ))}
          </div>
        </fieldset>
      )}
    </FormDialog>
  );
}
