/** What would the guardrail, as it stands in the form, do with a text? */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Refusal } from "../../components/Dialog";
import { Area } from "../../components/fields";
import { ApiError, call, type Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import type { Entry } from "./guardrails";

type Outcome = Reply<"/api/v1/admin/guardrails/try", "post">;

export function Trial({ entry }: { entry: Entry }) {
  const say = useSay();
  const [text, setText] = useState("");
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const attempt = async () => {
    setError(null);
    setOutcome(null);
    const guardrail = { ...entry, guardrail_name: entry.guardrail_name || "trial" } as never;
    await call("post", "/api/v1/admin/guardrails/try", { body: { guardrail, text } }).then(setOutcome, (refusal: ApiError) => setError(refusal));
  };
  return (
    <fieldset className="lm-field">
      <legend>{say("try_it")}</legend>
      <Area label={say("text_to_try")} help={say("text_to_try_help")} value={text} maxLength={20_000} onChange={setText} />
      <div>
        <Button variant="secondary" size="sm" isDisabled={!text} onClick={() => void attempt()}>
          {say("try_it")}
        </Button>
      </div>
      <Refusal error={error} />
      {outcome && (
        <div role="status" className={`lm-banner ${outcome.refused.length + outcome.kinds.length ? "lm-warning" : "lm-success"}`}>
          <p>{outcome.refused.length ? say("would_be_refused", { kinds: outcome.refused.join(", ") }) : say("would_pass_as_prompt")}</p>
          <p>{outcome.kinds.length ? say("would_be_shown_as", { text: outcome.masked }) : say("would_pass_as_answer")}</p>
        </div>
      )}
    </fieldset>
  );
}
