/** The dialogs that change a workshop which exists: an announcement, its end, its seats, models and money. */
import { useState } from "react";
import { FormDialog } from "../../components/Dialog";
import { Area, Check, fieldErrors, Money, Text, Whole } from "../../components/fields";
import { Loaded } from "../../components/States";
import { Status } from "../../components/Status";
import { useGet, useSend } from "../../lib/api";
import { count, money } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { tell } from "../../lib/toasts";
import { toLocal, toMoment } from "../../lib/zones";
import { MOST_SEATS } from "./plan";
import { readRoster } from "./roster";
import { RosterField } from "./RosterField";
import type { Event } from "./Workshop";

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

export function Announce({ event, close }: { event: Event; close: () => void }) {
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

export function Extend({ event, close }: { event: Event; close: () => void }) {
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

export function Spend({ event, close }: { event: Event; close: () => void }) {
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

/** With codes of their own, the new seats can be kept for people by name. */
export function MoreSeats({ event, close }: { event: Event; close: () => void }) {
  const say = useSay();
  const add = useSend("post", "/api/v1/workshops/{guid}/seats");
  const [many, setMany] = useState<number | null>(1);
  const [roster, setRoster] = useState("");
  const { people, mistakes } = readRoster(roster);
  const seats = people.length || (many ?? 0);
  const most = MOST_SEATS - event.seats;
  const fits = seats >= 1 && seats <= most && mistakes.length === 0;
  const send = () =>
    add.mutateAsync({ path: { guid: event.guid }, body: { seats, labels: people } }).then(() => {
      tell("success", say("seats_added", { count: seats }));
      close();
    }, () => undefined);
  return (
    <FormDialog title={say("add_seats")} submit={say("add_seats")} close={close} send={send} busy={add.isPending} error={add.error} isDisabled={!fits}>
      <p>{event.pot_nano === null ? say("add_seats_text_no_pot") : say("add_seats_text", { pot: money(event.pot_nano) })}</p>
      <Whole label={say("number_of_seats")} value={people.length || many} min={1} max={most} onChange={setMany} isRequired error={seats > most ? say("allowed_range", { min: 1, max: most }) : fieldErrors(add.error)["seats"]} />
      {event.claim_mode === "seat_codes" && <RosterField label={say("roster_optional")} value={roster} rows={5} onChange={setRoster} />}
      <p className="lm-subtle">{say("seats_now", { claimed: count(event.claimed), seats: count(event.seats) })}</p>
    </FormDialog>
  );
}

export function Models({ event, close }: { event: Event; close: () => void }) {
  const say = useSay();
  const { send, busy, error } = usePatch(event, close);
  const found = useGet("/api/v1/admin/models", { query: { limit: 100, sort: "name", status: ["available", "deprecated"] } });
  const [picked, setPicked] = useState(event.models);
  const gone = event.models.filter((name) => !picked.includes(name));
  return (
    <FormDialog title={say("change_models")} submit={say("save")} close={close} send={() => send({ models: picked })} busy={busy} error={error} isDisabled={picked.length === 0}>
      <p>{say("change_models_text", { count: event.seats })}</p>
      <Loaded query={found}>
        {({ data }) => {
          // What the workshop has and nobody can be given any more can still be taken from it.
          const names = [...new Set([...data.map((model) => model.name), ...event.models])];
          return (
            <div className="lm-picks">
              {names.map((name) => (
                <Check
                  key={name}
                  label={
                    <>
                      {name} <Status value={data.find((model) => model.name === name)?.health ?? "retired"} />
                    </>
                  }
                  checked={picked.includes(name)}
                  onChange={(on) => setPicked(on ? [...picked, name] : picked.filter((one) => one !== name))}
                />
              ))}
            </div>
          );
        }}
      </Loaded>
      {gone.length > 0 && <p className="lm-banner lm-warning">{say("models_taken_away", { names: gone.join(", ") })}</p>}
    </FormDialog>
  );
}
