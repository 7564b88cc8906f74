/** The form for one guardrail: where it looks, what it looks for, what it does; and a text to try it with. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { FormDialog } from "../../components/Dialog";
import { Area, Check, Choice, Text } from "../../components/fields";
import { useGuardedDialog } from "../../components/useGuarded";
import { useSend, type Reply } from "../../lib/api";
import { useDraft } from "../../lib/drafts";
import { useSay } from "../../lib/i18n";
import { draftOf, entryOf, SIDES, type Action, type Category, replaced, type Expression, type GuardrailDraft } from "./guardrails";
import { GROUP, readGuardrails, type Group } from "./guardrailGroup";
import { Trial } from "./GuardrailTrial";

type Known = Reply<"/api/v1/admin/guardrails/known", "get">;

interface GuardrailFormProps {
  /** All of them, as they were when this was opened. */
  opened: Group;
  /** Which one is changed; null: a new one. */
  name: string | null;
  known: Known;
  close: () => void;
}

export function GuardrailForm({ opened, name, known, close }: GuardrailFormProps) {
  const say = useSay();
  const put = useSend("put", "/api/v1/admin/settings/{group}");
  const entryIn = (group: Group | null) => group?.guardrails.find((one) => one.guardrail_name === name) ?? null;
  const { held, first, save, conflict } = useGuardedDialog({
    opened,
    valuesOf: (group: Group | null) => draftOf(entryIn(group)),
    read: readGuardrails,
    change: (mine: GuardrailDraft, over, headers) => put.mutateAsync({ path: GROUP, body: { guardrails: replaced(over.guardrails, name, entryOf(mine, entryIn(over))) } as never, headers }),
    close,
  });
  const entry = entryIn(held);
  const [draft, setDraft] = useDraft<GuardrailDraft>(`guardrail.${name ?? "new"}`, first);
  const [wrong, setWrong] = useState<{ name?: string; sides?: string }>({});
  const set = (changes: Partial<GuardrailDraft>) => {
    setDraft({ ...draft, ...changes });
    setWrong({});
  };
  const send = async () => {
    const missing = { ...(draft.name.trim() ? {} : { name: say("field_required") }), ...(draft.sides.length ? {} : { sides: say("field_required") }) };
    setWrong(missing);
    if (Object.keys(missing).length === 0) await save(draft);
  };
  return (
    <FormDialog title={name ? say("edit_what", { what: name }) : say("add_guardrail")} submit={say("save")} close={close} send={send} busy={put.isPending} error={put.error} conflict={conflict} size="large">
      <Text label={say("name")} value={draft.name} maxLength={100} onChange={(written) => set({ name: written })} isRequired error={wrong.name} />
      <fieldset className="lm-field" aria-invalid={wrong.sides ? true : undefined}>
        <legend>{say("looks_at")} *</legend>
        {SIDES.map((side) => (
          <Check key={side} label={say(`guards_${side}`)} help={say(`guards_${side}_help`)} checked={draft.sides.includes(side)} onChange={(on) => set({ sides: SIDES.filter((one) => (one === side ? on : draft.sides.includes(one))) })} />
        ))}
        {wrong.sides && (
          <small className="lm-bad" role="alert">
            {wrong.sides}
          </small>
        )}
      </fieldset>
      <Check label={say("for_every_call")} help={say("where_named_help")} checked={draft.isAlwaysOn} onChange={(isAlwaysOn) => set({ isAlwaysOn })} />
      <KnownKinds known={known} picked={draft.known} pick={(kinds) => set({ known: kinds })} />
      <Expressions all={draft.expressions} change={(expressions) => set({ expressions })} />
      <div className="lm-pair">
        <Area label={say("blocked_words")} help={say("one_per_line")} value={draft.words} maxLength={20_000} onChange={(words) => set({ words })} />
        <ActionChoice label={say("action_of_words")} value={draft.wordsAction} change={(wordsAction) => set({ wordsAction })} />
      </div>
      <Categories known={known} all={draft.categories} change={(categories) => set({ categories })} />
      <Trial entry={entryOf(draft, entry)} />
    </FormDialog>
  );
}

function ActionChoice({ label, value, change }: { label: string; value: Action; change: (action: Action) => void }) {
  const say = useSay();
  return <Choice label={label} value={value} onChange={(action) => change(action as Action)} options={(["BLOCK", "MASK"] as const).map((action) => ({ value: action, text: say(`action_${action}`) }))} />;
}

function KnownKinds({ known, picked, pick }: { known: Known; picked: Record<string, Action>; pick: (kinds: Record<string, Action>) => void }) {
  const say = useSay();
  const toggle = (name: string, on: boolean) => {
    const { [name]: _was, ...others } = picked;
    pick(on ? { ...others, [name]: "BLOCK" } : others);
  };
  return (
    <fieldset className="lm-field">
      <legend>{say("known_kinds")}</legend>
      <div className="lm-picks">
        {known.patterns.map((name) => (
          <Check key={name} label={<code>{name}</code>} checked={name in picked} onChange={(on) => toggle(name, on)} />
        ))}
      </div>
      <div className="lm-pair">
        {Object.entries(picked).map(([name, action]) => (
          <ActionChoice key={name} label={say("action_of", { what: name })} value={action} change={(changed) => pick({ ...picked, [name]: changed })} />
        ))}
      </div>
    </fieldset>
  );
}

function Expressions({ all, change }: { all: Expression[]; change: (all: Expression[]) => void }) {
  const say = useSay();
  const set = (at: number, changes: Partial<Expression>) => change(all.map((one, index) => (index === at ? { ...one, ...changes } : one)));
  return (
    <fieldset className="lm-field">
      <legend>{say("expressions")}</legend>
      {all.map((one, index) => (
        <div className="lm-pair" key={index}>
          <Text label={say("name")} value={one.name} maxLength={64} onChange={(name) => set(index, { name })} />
          <Text label={say("expression")} help={index === 0 ? say("expression_help") : undefined} value={one.pattern} maxLength={1000} onChange={(pattern) => set(index, { pattern })} />
          <ActionChoice label={say("action")} value={one.action} change={(action) => set(index, { action })} />
          <Button variant="link" onClick={() => change(all.filter((_, at) => at !== index))}>
            {say("remove")}
          </Button>
        </div>
      ))}
      <div>
        <Button variant="secondary" size="sm" onClick={() => change([...all, { name: "", pattern: "", action: "BLOCK" }])}>
          {say("add_expression")}
        </Button>
      </div>
    </fieldset>
  );
}

function Categories({ known, all, change }: { known: Known; all: Category[]; change: (all: Category[]) => void }) {
  const say = useSay();
  const names = [...new Set([...known.categories, ...all.map((one) => one.category)])];
  const set = (name: string, changes: Partial<Category>) => change(all.map((one) => (one.category === name ? { ...one, ...changes } : one)));
  return (
    <fieldset className="lm-field">
      <legend>{say("phrases_of")}</legend>
      {names.map((name) => {
        const picked = all.find((one) => one.category === name);
        return (
          <div key={name} className="lm-pair">
            <Check label={<code>{name}</code>} checked={picked !== undefined} onChange={(on) => change(on ? [...all, { category: name, level: "medium", action: "BLOCK" }] : all.filter((one) => one.category !== name))} />
            {picked && <Choice label={say("from_level")} value={picked.level} onChange={(level) => set(name, { level })} options={known.levels.map((value) => ({ value, text: say(`level_${value as "low"}`) }))} />}
            {picked && <ActionChoice label={say("action")} value={picked.action} change={(action) => set(name, { action })} />}
          </div>
        );
      })}
    </fieldset>
  );
}
