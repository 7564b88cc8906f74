/** Who is signed in, and what may they do? The server decides; this only knows what it said. */
import { useQuery } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useMemo, type ReactNode } from "react";
import { ApiError, call, onSessionEnd, queries, setCsrfToken, type Reply } from "./api";

export type Session = Reply<"/api/v1/auth/session", "get">;
const SESSION = ["session"];
let endedByServer = false;
let hadSession = false;

async function readSession(): Promise<Session | null> {
  try {
    const session = await call("get", "/api/v1/auth/session");
    setCsrfToken(session.csrf_token);
    endedByServer = false;
    hadSession = true;
    return session;
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 401)) throw error;
    endedByServer ||= hadSession;
    hadSession = false;
    return null;
  }
}

/** Asks who is signed in now. */
export function refreshSession(): Promise<Session | null> {
  return queries.fetchQuery({ queryKey: SESSION, queryFn: readSession, staleTime: 0 });
}

/** What was shown to the former person is gone; the sign-in page comes. */
export function forgetSession(): void {
  hadSession = false;
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== SESSION[0] });
  queries.setQueryData(SESSION, null);
}

/** Whether the server ended the session that this page had; until somebody signs in. */
export function sessionHasEnded(): boolean {
  return endedByServer;
}

interface Known {
  session: Session | null;
  may: (permission: string) => boolean;
}

const SessionContext = createContext<Known | null>(null);

export function useSessionQuery() {
  return useQuery({ queryKey: SESSION, queryFn: readSession, staleTime: 60_000, refetchInterval: 300_000 });
}

export function SessionProvider({ session, children }: { session: Session | null; children: ReactNode }) {
  useEffect(() => {
    onSessionEnd(() => {
      endedByServer ||= hadSession;
      forgetSession();
    });
    const left = new BroadcastChannel("litemaas.session");
    left.onmessage = () => forgetSession();
    return () => left.close();
  }, []);
  const known = useMemo<Known>(() => {
    const permissions = new Set<string>(session?.permissions ?? []);
    return { session, may: (permission) => permissions.has(permission) };
  }, [session]);
  return <SessionContext value={known}>{children}</SessionContext>;
}

export function useSession(): Known {
  const known = useContext(SessionContext);
  if (!known) throw new Error("no SessionProvider");
  return known;
}

export function useMay(): (permission: string) => boolean {
  return useSession().may;
}

export async function signOut(): Promise<string | null> {
  const { logout_url } = await call("post", "/api/v1/auth/logout");
  new BroadcastChannel("litemaas.session").postMessage("left");
  forgetSession();
  return logout_url ?? null;
}
