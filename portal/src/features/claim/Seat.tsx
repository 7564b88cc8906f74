/** One's seat: the key, where to call, code that works, and whether it does. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Copyable } from "../../components/Copy";
import { Refusal } from "../../components/Dialog";
import { Choice } from "../../components/fields";
import { Meter } from "../../components/Meter";
import { modelType } from "../../concepts/models/words";
import { Snippets } from "../../concepts/snippets/Snippets";
import { useSend, type Reply } from "../../lib/api";
import { milliseconds } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useGatewayUrl } from "../../lib/product";

type Held = Reply<"/api/v1/claims/{guid}/seat", "get">;

export function Seat({ id, seat }: { id: string; seat: Held }) {
  const say = useSay();
  const base = useGatewayUrl();
  const attempt = useSend("post", "/api/v1/claims/{guid}/seat/try");
  const [name, setName] = useState(seat.models[0]?.name ?? "");
  const model = seat.models.find((one) => one.name === name);
  const result = attempt.data;
  const canTry = model?.type === "chat" || model?.type === "embeddings";
  return (
    <>
      {seat.is_paused && (
        <p className="lm-banner lm-warning" role="status">
          {say("paused_now")}
        </p>
      )}
      {seat.announcement && (
        <p className="lm-banner lm-info" role="status">
          <span>
            <strong>{say("from_the_organisers")}:</strong> {seat.announcement}
          </span>
        </p>
      )}
      <section className="lm-card">
        <h2>{say("your_seat", { seat: seat.nickname ? `${seat.seat} · ${seat.nickname}` : seat.seat })}</h2>
        {seat.key ? (
          <>
            <div className="lm-secret">
              <Copyable text={seat.key} label={say("api_key")} />
            </div>
            <p className="lm-subtle">{say("key_is_yours")}</p>
          </>
        ) : (
          <p className="lm-banner lm-danger">{say("key_not_shown")}</p>
        )}
        <p>
          {say("base_address")}: <Copyable text={`${base}/v1`} label={say("base_address")} />
        </p>
        <Meter used={seat.spent_nano} limit={seat.budget_nano} label={say("spent_of_seat")} named />
        {seat.models.length > 1 && <Choice label={say("model")} value={name} onChange={setName} options={seat.models.map((one) => ({ value: one.name, text: one.name }))} />}
        {canTry && seat.key && (
          <div className="lm-actions">
            <Button variant="secondary" isLoading={attempt.isPending} isDisabled={attempt.isPending} onClick={() => void attempt.mutateAsync({ path: { guid: id }, body: { model: name } }).catch(() => undefined)}>
              {say("test_my_key")}
            </Button>
            <span role="status" className={result ? (result.ok ? "lm-good" : "lm-bad") : ""}>
              {result && (result.ok ? say("test_ok", { time: milliseconds(result.milliseconds) }) : say("test_bad", { reason: result.error ?? "" }))}
            </span>
          </div>
        )}
        <Refusal error={attempt.error} />
      </section>
      {model && <Snippets model={model.name} type={modelType(model.type)} secret={seat.key ?? undefined} />}
    </>
  );
}
