/** What becomes of a half-filled form when the session ends? It is kept in this tab, and given back to the same person. No secrets. */
import { useEffect, useRef, useState } from "react";
import { useSay } from "./i18n";
import { sessionHasEnded, useSession } from "./session";
import { tell } from "./toasts";

const STORED = "litemaas.draft.";

interface Kept<T> {
  user: string;
  draft: T;
}

/** Taken once; what another person left is thrown away. */
function take<T>(name: string, user: string): T | undefined {
  try {
    const written = sessionStorage.getItem(STORED + name);
    sessionStorage.removeItem(STORED + name);
    const kept = written ? (JSON.parse(written) as Kept<T>) : null;
    return kept?.user === user ? kept.draft : undefined;
  } catch {
    return undefined;
  }
}

function keep<T>(name: string, kept: Kept<T>): void {
  try {
    sessionStorage.setItem(STORED + name, JSON.stringify(kept));
  } catch {
    // A tab that stores nothing loses the draft.
  }
}

/** State of a form under a name of its own. `first`: as the form begins. */
export function useDraft<T>(name: string, first: T | (() => T)): [T, (draft: T) => void] {
  const say = useSay();
  const user = useSession().session?.user.username ?? "";
  const [{ draft, isBack }, set] = useState(() => {
    const kept = take<T>(name, user);
    return { draft: kept ?? (typeof first === "function" ? (first as () => T)() : first), isBack: kept !== undefined };
  });
  const newest = useRef<Kept<T>>({ user, draft });
  const changed = useRef(isBack);
  useEffect(() => {
    if (isBack) tell("info", say("draft_is_back"));
    return () => {
      if (changed.current && sessionHasEnded()) keep(name, newest.current);
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- at the form's beginning and end
  }, []);
  return [
    draft,
    (next) => {
      changed.current = true;
      newest.current = { user, draft: next };
      set({ draft: next, isBack: false });
    },
  ];
}
