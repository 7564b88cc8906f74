/** Has the calls of one key or one team recorded: until when and why must be said, because their owner is told. */
import { useState } from "react";
import { FormDialog } from "../../components/Dialog";
import { Area, Choice, fieldErrors, Text } from "../../components/fields";
import { Finder, type Found } from "../../components/Finder";
import { useSend } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { tell } from "../../lib/toasts";
import { ownZone, toLocal, toMoment } from "../../lib/zones";

const DAY_MS = 86_400_000;
const LONGEST_DAYS = 30;
const SHORTEST_REASON = 3;

export function CaptureBegin({ close }: { close: () => void }) {
  const say = useSay();
  const zone = ownZone();
  const begin = useSend("post", "/api/v1/admin/payload-capture");
  const [kind, setKind] = useState<"key" | "team">("key");
  const [chosen, setChosen] = useState<Found[]>([]);
  const [now] = useState(() => Date.now());
  const at = (days: number) => toLocal(new Date(now + days * DAY_MS).toISOString(), zone);
  const [until, setUntil] = useState(() => at(1));
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const errors = fieldErrors(begin.error);
  const [whose] = chosen;
  const unsaid = reason.trim().length < SHORTEST_REASON;
  const send = async () => {
    setTried(true);
    if (!whose || unsaid || until === "") return;
    const subject = kind === "key" ? { key_id: whose.id } : { team_id: whose.id };
    await begin.mutateAsync({ body: { ...subject, until: toMoment(until, zone), reason: reason.trim() } }).then(() => {
      tell("success", say("recording_began", { name: whose.name }));
      close();
    }, () => undefined);
  };
  const finder = { label: say(kind === "key" ? "search_keys" : "search_teams"), chosen, choose: setChosen, one: true, error: tried && !whose ? say("field_required") : undefined };
  return (
    <FormDialog title={say("record_calls")} submit={say("record_calls")} close={close} send={send} busy={begin.isPending} error={begin.error} size="large">
      <p>{say("capture_is_told")}</p>
      <Choice
        label={say("whose_calls")}
        value={kind}
        onChange={(value) => {
          setKind(value as "key" | "team");
          setChosen([]);
        }}
        options={[{ value: "key", text: say("one_key") }, { value: "team", text: say("all_keys_of_team") }]}
      />
      {kind === "key" ? (
        <Finder key="key" {...finder} path="/api/v1/admin/keys" read={(row) => ({ id: row.id, name: row.name, note: row.owner?.username ?? row.key_name })} />
      ) : (
        <Finder key="team" {...finder} path="/api/v1/teams" read={(row) => ({ id: row.id, name: row.name, note: row.alias })} />
      )}
      <Text label={`${say("record_until")} (${zone})`} type="datetime-local" value={until} min={at(0)} max={at(LONGEST_DAYS)} onChange={setUntil} isRequired help={say("record_until_help", { count: LONGEST_DAYS })} error={errors["until"] ?? (tried && until === "" ? say("field_required") : undefined)} />
      <Area label={say("reason")} value={reason} maxLength={500} onChange={setReason} isRequired help={say("record_reason_help")} error={errors["reason"] ?? (tried && unsaid ? say("field_required") : undefined)} />
    </FormDialog>
  );
}
