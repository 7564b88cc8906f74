/** How is something saved without overwriting what others have saved since it was read? With its version; else both are compared. */
import { useState, type ReactNode } from "react";
import { ApiError } from "../lib/api";
import { ifMatch } from "../lib/versions";
import { Conflict } from "./Conflict";

interface Guard<Held extends object, Values extends object, Answer> {
  /** What was read when somebody began to type. */
  held: Held;
  /** The form's values of what was read. */
  valuesOf: (held: Held) => Values;
  read: () => Promise<Held>;
  /** Sends values to the server, against the state `over`. Throws ApiError. */
  send: (values: Values, over: Values, headers: Record<string, string>) => Promise<Answer>;
  done: (answer: Answer) => void;
  /** Gives up what was typed, for what others have saved. */
  leave: () => void;
}

interface Guarded<Values> {
  /** Never throws: what is not a conflict is the error of whoever sends. */
  save: (values: Values) => Promise<void>;
  conflict: ReactNode;
}

export function useGuarded<Held extends object, Values extends object, Answer>({ held, valuesOf, read, send, done, leave }: Guard<Held, Values, Answer>): Guarded<Values> {
  const [found, setFound] = useState<{ mine: Values; theirs: Held } | null>(null);
  const [isBusy, setBusy] = useState(false);
  const tryOver = async (values: Values, over: Held, mine: Values) => {
    setBusy(true);
    try {
      const answer = await send(values, valuesOf(over), ifMatch(over));
      setFound(null);
      done(answer);
    } catch (refusal) {
      if (refusal instanceof ApiError && refusal.status === 412) await read().then((theirs) => setFound({ mine, theirs }), () => undefined);
    } finally {
      setBusy(false);
    }
  };
  const abandon = () => {
    setFound(null);
    leave();
  };
  return {
    save: (values) => tryOver(values, held, values),
    conflict: found && (
      <Conflict base={valuesOf(held)} mine={found.mine} theirs={valuesOf(found.theirs)} isBusy={isBusy} save={(settled) => void tryOver(settled, found.theirs, found.mine)} leave={abandon} />
    ),
  };
}

/** What is typed over what was read. While nothing is typed, what is read anew takes its place; typed text is never lost to it. */
export function useTyped<Held extends object, Values extends object>(newest: Held, valuesOf: (held: Held) => Values) {
  const [typed, setTyped] = useState<{ over: Held; values: Values } | null>(null);
  const over = typed?.over ?? newest;
  const first = valuesOf(over);
  return {
    held: over,
    first,
    values: typed?.values ?? first,
    isTouched: typed !== null,
    change: (values: Values) => setTyped(JSON.stringify(values) === JSON.stringify(first) ? null : { over, values }),
    reset: () => setTyped(null),
  };
}
