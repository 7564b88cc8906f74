/** The form for a guardrail that asks a service: whom, when, and what if nobody answers. */
import { useState } from "react";
import { FormDialog } from "../../components/Dialog";
import { Area, Check, Choice, Text } from "../../components/fields";
import { useGuardedDialog } from "../../components/useGuarded";
import { useSend } from "../../lib/api";
import { useDraft } from "../../lib/drafts";
import { useSay } from "../../lib/i18n";
import { GROUP, readGuardrails, type Group } from "./guardrailGroup";
import { areKinds, MODES, serviceDraftOf, serviceEntryOf, SERVICES, type Service, type ServiceDraft } from "./guardrailServices";
import { replaced } from "./guardrails";

const USUAL_LANGUAGE = "en";

interface GuardrailServiceFormProps {
  /** All of them, as they were when this was opened. */
  opened: Group;
  /** Which one is changed; null: a new one. */
  name: string | null;
  close: () => void;
}

export function GuardrailServiceForm({ opened, name, close }: GuardrailServiceFormProps) {
  const say = useSay();
  const put = useSend("put", "/api/v1/admin/settings/{group}");
  const entryIn = (group: Group | null) => group?.guardrails.find((one) => one.guardrail_name === name) ?? null;
  const { first, save, conflict } = useGuardedDialog({
    opened,
    valuesOf: (group: Group | null) => serviceDraftOf(entryIn(group)),
    read: readGuardrails,
    change: (mine: ServiceDraft, over, headers) => put.mutateAsync({ path: GROUP, body: { guardrails: replaced(over.guardrails, name, serviceEntryOf(mine, entryIn(over))) } as never, headers }),
    close,
  });
  const [kept, setKept] = useDraft<ServiceDraft>(`guardrail.service.${name ?? "new"}`, first);
  const [key, setKey] = useState("");
  const [wrong, setWrong] = useState<Partial<Record<"name" | "address" | "modes" | "kinds", string>>>({});
  const draft = { ...kept, key };
  const set = (changes: Partial<ServiceDraft>) => {
    setKept({ ...kept, ...changes });
    setWrong({});
  };
  const send = async () => {
    const missing = {
      ...(draft.name.trim() ? {} : { name: say("field_required") }),
      ...(draft.address.trim() ? {} : { address: say("field_required") }),
      ...(draft.modes.length ? {} : { modes: say("field_required") }),
      ...(areKinds(draft.kinds) ? {} : { kinds: say("guard_kinds_wrong") }),
    };
    setWrong(missing);
    if (Object.keys(missing).length === 0) await save(draft);
  };
  const isPresidio = draft.service === "presidio";
  return (
    <FormDialog title={name ? say("edit_what", { what: name }) : say("add_guard_service")} submit={say("save")} close={close} send={send} busy={put.isPending} error={put.error} conflict={conflict} size="large">
      <Text label={say("name")} value={draft.name} maxLength={100} onChange={(written) => set({ name: written })} isRequired error={wrong.name} />
      <Choice label={say("guard_kind")} value={draft.service} onChange={(service) => set({ service: service as Service })} options={SERVICES.map((value) => ({ value, text: say(`guard_kind_${value}`) }))} />
      <Text label={say(isPresidio ? "guard_analyzer" : "guard_address")} type="url" value={draft.address} maxLength={1000} onChange={(address) => set({ address })} isRequired error={wrong.address} />
      {isPresidio ? (
        <>
          <Text label={say("guard_anonymizer")} help={say("guard_anonymizer_help")} type="url" value={draft.anonymizer} maxLength={1000} onChange={(anonymizer) => set({ anonymizer })} />
          <Area label={say("guard_kinds")} help={say("guard_kinds_help")} value={draft.kinds} maxLength={20_000} onChange={(kinds) => set({ kinds })} error={wrong.kinds} />
          <Text label={say("guard_language")} value={draft.language} maxLength={3} placeholder={USUAL_LANGUAGE} onChange={(language) => set({ language })} />
        </>
      ) : (
        <Text label={say("guard_key")} help={say(draft.hasKey ? "provider_key_keep" : "provider_key_optional")} type="password" value={key} maxLength={4096} onChange={setKey} />
      )}
      <fieldset className="lm-field" aria-invalid={wrong.modes ? true : undefined}>
        <legend>{say("guard_asked")} *</legend>
        {MODES.map((mode) => (
          <Check key={mode} label={say(`guard_mode_${mode}`)} help={say(`guard_mode_${mode}_help`)} checked={draft.modes.includes(mode)} onChange={(on) => set({ modes: MODES.filter((one) => (one === mode ? on : draft.modes.includes(one))) })} />
        ))}
        {wrong.modes && (
          <small className="lm-bad" role="alert">
            {wrong.modes}
          </small>
        )}
      </fieldset>
      <Check label={say("for_every_call")} help={say("where_named_help")} checked={draft.isAlwaysOn} onChange={(isAlwaysOn) => set({ isAlwaysOn })} />
      <Text label={say("guard_timeout")} type="number" min={0.05} max={120} step="any" placeholder="10" value={draft.timeout} onChange={(timeout) => set({ timeout })} />
      <Check label={say("guard_open")} help={say("guard_open_help")} checked={draft.isOpen} onChange={(isOpen) => set({ isOpen })} />
    </FormDialog>
  );
}
