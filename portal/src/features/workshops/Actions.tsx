/** What organisers do while a workshop runs: codes, announcement, more time, seats or money, pause, end. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { useNavigate } from "react-router";
import { Confirm } from "../../components/Dialog";
import { useSend } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";
import { ChangeMenu } from "./ChangeMenu";
import { Announce, Extend, Models, MoreSeats, Spend } from "./Changes";
import type { Event } from "./Workshop";

type Open = "announce" | "extend" | "seats" | "models" | "money" | "pause" | "end" | null;

const WORDS = { extend: "extend", seats: "add_seats", models: "change_models", money: "change_money", end: "end_workshop" } as const;

export function Actions({ event }: { event: Event }) {
  const say = useSay();
  const mayPay = useMay()("admin:workshops:write");
  const navigate = useNavigate();
  const [open, setOpen] = useState<Open>(null);
  const path = { path: { guid: event.guid } };
  const pause = useSend("post", "/api/v1/workshops/{guid}/pause");
  const resume = useSend("post", "/api/v1/workshops/{guid}/resume");
  const end = useSend("post", "/api/v1/workshops/{guid}/end");
  if (event.state === "ended") return null;
  const close = () => setOpen(null);
  const goOn = () => resume.mutateAsync(path).then(() => tell("success", say("saved")), () => tell("danger", say("error_internal")));
  return (
    <>
      <Button variant="secondary" onClick={() => void navigate(`/workshops/${encodeURIComponent(event.guid)}/handouts`)}>
        {say("handouts")}
      </Button>
      <Button variant="secondary" onClick={() => setOpen("announce")}>
        {say("announce")}
      </Button>
      {event.state === "paused" ? (
        <Button variant="secondary" isLoading={resume.isPending} onClick={() => void goOn()}>
          {say("resume")}
        </Button>
      ) : (
        <Button variant="secondary" onClick={() => setOpen("pause")}>
          {say("pause")}
        </Button>
      )}
      <ChangeMenu items={(["extend", "seats", ...(mayPay ? (["models", "money"] as const) : []), "end"] as const).map((act) => ({ text: say(WORDS[act]), act: () => setOpen(act), isDanger: act === "end" }))} />
      {open === "announce" && <Announce event={event} close={close} />}
      {open === "extend" && <Extend event={event} close={close} />}
      {open === "seats" && <MoreSeats event={event} close={close} />}
      {open === "models" && <Models event={event} close={close} />}
      {open === "money" && <Spend event={event} close={close} />}
      {open === "pause" && <Confirm title={`${say("pause")}: ${event.title}`} text={say("pause_text", { count: event.seats })} submit={say("pause")} close={close} act={() => pause.mutateAsync(path)} />}
      {open === "end" && <Confirm title={say("end_workshop_what", { name: event.title ?? event.guid })} text={say("end_workshop_text", { count: event.seats })} submit={say("end_workshop")} close={close} act={() => end.mutateAsync(path)} />}
    </>
  );
}
