/** When does the session end? Five minutes before, a dialog says so; who closes it is told again in the last minute. */
import { lazy, Suspense, useEffect, useState } from "react";
import { refreshSession, useSession } from "../lib/session";

const SessionWarning = lazy(() => import("./SessionWarning"));
const LAST_MS = 60_000;
const WARN_MS = 5 * 60_000;

export function SessionWatch() {
  const { session } = useSession();
  const [now, setNow] = useState(Date.now);
  const left = session ? new Date(session.expires_at).getTime() - now : Infinity;
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), left < WARN_MS + 60_000 ? 1000 : 30_000);
    return () => clearInterval(timer);
  }, [left]);
  useEffect(() => {
    if (left <= 0) void refreshSession();
  }, [left <= 0]); // eslint-disable-line react-hooks/exhaustive-deps -- once, when the time is over
  const [closedAt, setClosedAt] = useState<number | null>(null);
  const isClosed = closedAt !== null && (left > LAST_MS || closedAt <= LAST_MS);
  if (left > WARN_MS || left <= 0 || isClosed) return null;
  return (
    <Suspense fallback={null}>
      <SessionWarning left={left} close={() => setClosedAt(left)} />
    </Suspense>
  );
}
