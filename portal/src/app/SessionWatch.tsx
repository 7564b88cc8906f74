/** Says five minutes before the end that the session ends, and renews it on request. */
import { useEffect, useState } from "react";
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { call } from "../lib/api";
import { useSay } from "../lib/i18n";
import { refreshSession, useSession } from "../lib/session";
import { tell } from "../lib/toasts";

const WARN_MS = 5 * 60_000;

export function SessionWatch() {
  const say = useSay();
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
  if (left > WARN_MS || left <= 0) return null;
  const renew = async () => {
    try {
      await call("post", "/api/v1/auth/session/renew");
      await refreshSession();
      tell("success", say("session_renewed"));
    } catch (error) {
      tell("danger", say("session_not_renewed"), error);
    }
  };
  const minutes = Math.ceil(left / 60_000);
  return (
    <div className="lm-banner lm-warning">
      <span role={minutes === 5 || minutes === 1 ? "alert" : undefined}>{say("session_ends_in", { count: minutes })}</span>
      <span aria-hidden="true">{new Date(left).toISOString().slice(14, 19)}</span>
      <Button variant="secondary" size="sm" onClick={() => void renew()}>
        {say("stay_signed_in")}
      </Button>
    </div>
  );
}
