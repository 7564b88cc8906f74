/** The session ends soon: stay, or let it end. Above other dialogs, so that a long form is not lost behind one. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Dialog } from "../components/Dialog";
import { call } from "../lib/api";
import { useSay } from "../lib/i18n";
import { refreshSession } from "../lib/session";
import { tell } from "../lib/toasts";

export default function SessionWarning({ left, close }: { left: number; close: () => void }) {
  const say = useSay();
  const [busy, setBusy] = useState(false);
  const renew = async () => {
    setBusy(true);
    try {
      await call("post", "/api/v1/auth/session/renew");
      await refreshSession();
      tell("success", say("session_renewed"));
    } catch (error) {
      tell("danger", say("session_not_renewed"), error);
    }
    setBusy(false);
  };
  const minutes = Math.ceil(left / 60_000);
  const footer = (
    <>
      <Button isLoading={busy} isDisabled={busy} onClick={() => void renew()}>
        {say("stay_signed_in")}
      </Button>
      <Button variant="link" onClick={close}>
        {say("close")}
      </Button>
    </>
  );
  return (
    <Dialog title={say("session_ends")} close={close} size="small" footer={footer}>
      <p>
        <span role={minutes === 5 || minutes === 1 ? "alert" : undefined}>{say("session_ends_in", { count: minutes })}</span> <span aria-hidden="true">{new Date(left).toISOString().slice(14, 19)}</span>
      </p>
      <p className="lm-subtle">{say("drafts_are_kept")}</p>
    </Dialog>
  );
}
