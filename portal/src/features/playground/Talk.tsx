/** What was said, with the figures of each answer. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { CopyButton } from "../../components/Copy";
import { Refusal } from "../../components/Dialog";
import type { Pricing } from "../../concepts/models/words";
import { ApiError } from "../../lib/api";
import { count, milliseconds, money } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { costOf } from "./cost";
import type { Metrics, Turn } from "./conversation";

const Prose = lazy(() => import("../../components/Prose"));

interface TalkProps {
  turns: Turn[];
  pricing: Pricing | undefined;
  keyId: string;
  again: (at?: number, text?: string) => void;
  isRunning: boolean;
}

export function Talk({ turns, pricing, keyId, again, isRunning }: TalkProps) {
  const say = useSay();
  const end = useRef<HTMLDivElement>(null);
  const last = turns.at(-1);
  useEffect(() => {
    void end.current?.scrollIntoView({ block: "nearest" }); // some browsers give a promise
  }, [last?.text.length, turns.length]);
  const spoken = last?.role === "assistant" ? (last.state === "running" ? say("answer_begins") : say(`answer_${last.state ?? "done"}`)) : "";
  return (
    <div className="lm-talk" tabIndex={0} role="region" aria-label={say("conversation")}>
      <span role="status" className="pf-v6-screen-reader">
        {spoken}
      </span>
      {turns.map((turn, index) =>
        turn.role === "user" ? (
          <Mine key={index} turn={turn} resend={(text) => again(index, text)} isRunning={isRunning} />
        ) : (
          <article key={index} className="lm-message" aria-label={say("answer")}>
            {turn.reasoning && (
              <details>
                <summary>{say("reasoning")}</summary>
                <p className="lm-subtle">{turn.reasoning}</p>
              </details>
            )}
            <Suspense fallback={turn.text}>
              <Prose text={turn.text} />
            </Suspense>
            {turn.state === "running" && !turn.text && <span className="lm-subtle">{say("waiting")}</span>}
            {(turn.state === "stopped" || turn.state === "interrupted") && <p className="lm-fair">{say(`answer_${turn.state}`)}</p>}
            {turn.error !== undefined && <Refusal error={turn.error} />}
            {turn.error instanceof ApiError && [402, 403, 429].includes(turn.error.status) && <Link to={`/api-keys/${keyId}?tab=blocked`}>{say("why_blocked")}</Link>}
            {turn.metrics && <Took metrics={turn.metrics} pricing={pricing} text={turn.text} retry={index === turns.length - 1 && !isRunning ? () => again() : undefined} />}
          </article>
        ),
      )}
      <div ref={end} />
    </div>
  );
}

function Mine({ turn, resend, isRunning }: { turn: Turn; resend: (text: string) => void; isRunning: boolean }) {
  const say = useSay();
  const [draft, setDraft] = useState<string | null>(null);
  if (draft !== null)
    return (
      <div className="lm-message lm-mine">
        <textarea className="lm-input" rows={3} aria-label={say("your_message")} value={draft} onChange={(event) => setDraft(event.target.value)} />
        <Button
          size="sm"
          onClick={() => {
            resend(draft);
            setDraft(null);
          }}
        >
          {say("send")}
        </Button>
        <Button size="sm" variant="link" onClick={() => setDraft(null)}>
          {say("cancel")}
        </Button>
      </div>
    );
  return (
    <article className="lm-message lm-mine" aria-label={say("your_message")}>
      {turn.image && <img className="lm-picture" src={turn.image} alt={say("attached_image")} />}
      {turn.text}
      <footer>
        <Button variant="link" size="sm" isInline isDisabled={isRunning} onClick={() => setDraft(turn.text)}>
          {say("edit")}
        </Button>
      </footer>
    </article>
  );
}

function Took({ metrics, pricing, text, retry }: { metrics: Metrics; pricing: Pricing | undefined; text: string; retry: (() => void) | undefined }) {
  const say = useSay();
  const { usage, ttftMs, totalMs, tokensPerSecond } = metrics;
  const cost = usage && costOf(usage, pricing);
  return (
    <footer>
      {ttftMs !== null && <span>{say("ttft_is", { time: milliseconds(ttftMs) })}</span>}
      <span>{say("took", { time: milliseconds(totalMs) })}</span>
      {usage && <span>{say("tokens_are", { prompt: count(usage.prompt_tokens), completion: count(usage.completion_tokens), total: count(usage.total_tokens) })}</span>}
      {tokensPerSecond !== null && <span>{say("n_tokens_per_second", { n: count(Math.round(tokensPerSecond)) })}</span>}
      {cost !== null && <span>{cost === 0 ? say("free") : money(cost)}</span>}
      <CopyButton text={text} label={say("answer")} />
      {retry && (
        <Button variant="link" size="sm" isInline onClick={retry}>
          {say("ask_again")}
        </Button>
      )}
    </footer>
  );
}
