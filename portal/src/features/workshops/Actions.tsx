/** What organisers do while a workshop runs: codes, announcement, more time, more money, pause, end. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { useNavigate } from "react-router";
import { Confirm, FormDialog } from "../../components/Dialog";
import { Area, fieldErrors, Money, Text } from "../../components/fields";
import { useSend } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";
import { toLocal, toMoment } from "../../lib/zones";
import type { Event } from "./Workshop";

type Open = "announce" | "extend" | "money" | "pause" | "end" | null;

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
      <Button variant="secondary" onClick={() => setOpen("extend")}>
        {say("extend")}
      </Button>
      {mayPay && (
        <Button variant="secondary" onClick={() => setOpen("money")}>
          {say("change_money")}
        </Button>
      )}
      {event.state === "paused" ? (
        <Button variant="secondary" isLoading={resume.isPending} onClick={() => void goOn()}>
          {say("resume")}
        </Button>
      ) : (
        <Button variant="secondary" onClick={() => setOpen("pause")}>
          {say("pause")}
        </Button>
      )}
      <Button variant="danger" onClick={() => setOpen("end")}>
        {say("end_workshop")}
      </Button>
      {open === "announce" && <Announce event={event} close={close} />}
      {open === "extend" && <Extend event={event} close={close} />}
      {open === "money" && <Spend event={event} close={close} />}
      {open === "pause" && <Confirm title={`${say("pause")}: ${event.title}`} text={say("pause_text", { count: event.seats })} submit={say("pause")} close={close} act={() => pause.mutateAsync(path)} />}
      {open === "end" && <Confirm title={say("end_workshop_what", { name: event.title ?? event.guid })} text={say("end_workshop_text", { count: event.seats })} submit={say("end_workshop")} close={close} act={() => end.mutateAsync(path)} />}
    </>
  );
}

/** A change of the workshop; closes when the server has taken it. */
function usePatch(event: Event, close: () => void) {
  const say = useSay();
  const patch = useSend("patch", "/api/v1/workshops/{guid}");
  const send = (body: object) =>
    patch.mutateAsync({ path: { guid: event.guid }, body: body as never }).then(() => {
      tell("success", say("saved"));
      close();
    }, () => undefined);
  return { send, busy: patch.isPending, error: patch.error };
}

function Announce({ event, close }: { event: Event; close: () => void }) {
  const say = useSay();
  const { send, busy, error } = usePatch(event, close);
  const [text, setText] = useState(event.announcement);
  return (
    <FormDialog title={say("announce")} submit={say("save")} close={close} send={() => send({ announcement: text.trim() })} busy={busy} error={error}>
      <p>{say("announce_text")}</p>
      <Area label={say("announcement")} value={text} onChange={setText} />
    </FormDialog>
  );
}

function Extend({ event, close }: { event: Event; close: () => void }) {
  const say = useSay();
  const { send, busy, error } = usePatch(event, close);
  const zone = event.time_zone ?? "UTC";
  const [ends, setEnds] = useState(() => toLocal(event.ends_at ?? "", zone));
  return (
    <FormDialog title={say("extend")} submit={say("save")} close={close} send={() => send({ ends_at: toMoment(ends, zone) })} busy={busy} error={error} isDisabled={ends === ""}>
      <p>{say("extend_text")}</p>
      <Text label={`${say("new_end")} (${zone})`} type="datetime-local" value={ends} onChange={setEnds} isRequired error={fieldErrors(error)["ends_at"]} />
    </FormDialog>
  );
}

function Spend({ event, close }: { event: Event; close: () => void }) {
  const say = useSay();
  const { send, busy, error } = usePatch(event, close);
  const [pot, setPot] = useState(event.pot_nano);
  const [seat, setSeat] = useState(event.limits.budget_nano ?? null);
  const tooMuch = seat !== null && pot !== null && seat > pot;
  return (
    <FormDialog title={say("change_money")} submit={say("save")} close={close} send={() => send({ pot_nano: pot, seat_budget_nano: seat })} busy={busy} error={error} isDisabled={pot === null || tooMuch}>
      <Money label={say("pot")} value={pot} onChange={setPot} help={pot === 0 ? say("zero_allows_nothing") : say("pot_help")} isRequired />
      <Money label={say("seat_cap")} value={seat} onChange={setSeat} help={say("seat_cap_help")} error={tooMuch ? say("not_above_pot") : undefined} />
    </FormDialog>
  );
}
