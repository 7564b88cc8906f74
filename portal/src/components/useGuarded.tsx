/** How is something saved without overwriting what others have saved since it was read? With its version; else both are compared. */
import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent, type ReactNode } from "react";
import { ApiError } from "../lib/api";
import { useSay } from "../lib/i18n";
import { tell } from "../lib/toasts";
import { ifMatch } from "../lib/versions";
import { Conflict } from "./Conflict";
import { differences, merged } from "./differences";

/** How often a change is sent again by itself when others have changed only what the form does not show. */
const TRIES = 3;

interface Source<Held extends object, Values extends object, Answer> {
  /** The form's values of what was read. */
  valuesOf: (held: Held) => Values;
  read: () => Promise<Held>;
  /** Sends values to the server, against the state `over`. Throws ApiError. */
  send: (values: Values, over: Held, headers: Record<string, string>) => Promise<Answer>;
}

interface Guard<Held extends object, Values extends object, Answer> extends Source<Held, Values, Answer> {
  /** What was read when somebody began to type. */
  held: Held;
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
  const tryOver = async (values: Values, over: Held, mine: Values, tries = TRIES): Promise<void> => {
    setBusy(true);
    try {
      const answer = await send(values, over, ifMatch(over));
      setFound(null);
      done(answer);
    } catch (refusal) {
      if (refusal instanceof ApiError && refusal.status === 412) {
        const theirs = await read().catch(() => null);
        if (theirs === null) return;
        const [base, others] = [valuesOf(held), valuesOf(theirs)];
        if (tries > 1 && differences(base, mine, others).length === 0) await tryOver(merged(base, mine, others, {}), theirs, mine, tries - 1);
        else setFound({ mine, theirs });
      }
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

/** A form that stays on its page. While nothing is typed, what is read anew takes its place; typed text is never lost to it. */
export function useGuardedForm<Held extends object, Values extends object, Answer>(newest: Held, { valuesOf, ...source }: Source<Held, Values, Answer>) {
  const say = useSay();
  const cache = useQueryClient();
  const [typed, setTyped] = useState<{ over: Held; values: Values } | null>(null);
  const held = typed?.over ?? newest;
  const first = valuesOf(held);
  const values = typed?.values ?? first;
  const reset = () => setTyped(null);
  const { save, conflict } = useGuarded({
    ...source,
    held,
    valuesOf,
    done: () => {
      reset();
      tell("success", say("saved"));
    },
    leave: () => {
      reset();
      void cache.invalidateQueries();
    },
  });
  return {
    held,
    values,
    isTouched: typed !== null,
    change: (changed: Values) => setTyped(JSON.stringify(changed) === JSON.stringify(first) ? null : { over: held, values: changed }),
    reset,
    conflict,
    submit: (event: FormEvent) => {
      event.preventDefault();
      void save(values);
    },
  };
}

/** What something that does not exist yet was read as. */
const NEW = {};

interface DialogGuard<Held extends object, Values extends object, Answer> {
  /** What the dialog was opened over; null: something new. */
  opened: Held | null;
  valuesOf: (held: Held | null) => Values;
  read: () => Promise<Held>;
  change: (values: Values, over: Held, headers: Record<string, string>) => Promise<Answer>;
  create?: (values: Values) => Promise<Answer>;
  close: () => void;
  done?: (answer: Answer) => void;
}

/** A form in a dialog: over what was read when it was opened, whatever is read anew behind it. */
export function useGuardedDialog<Held extends object, Values extends object, Answer>({ opened, valuesOf, read, change, create, close, done }: DialogGuard<Held, Values, Answer>) {
  const say = useSay();
  const [held] = useState(opened);
  const known = (over: Held | typeof NEW) => (over === NEW ? null : (over as Held));
  const guarded = useGuarded<Held | typeof NEW, Values, Answer>({
    held: held ?? NEW,
    valuesOf: (over) => valuesOf(known(over)),
    read,
    send: (values, over, headers) => {
      const before = known(over);
      if (before !== null) return change(values, before, headers);
      if (create) return create(values);
      throw new Error("A dialog over nothing needs a way to create.");
    },
    done: (answer) => {
      tell("success", say("saved"));
      close();
      done?.(answer);
    },
    leave: close,
  });
  return { held, first: valuesOf(held), ...guarded };
}
