/** The conversation: one column per model, one box to write in. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useEffect, useRef, useState } from "react";
import { Confirm, Dialog } from "../../components/Dialog";
import type { CatalogueEntry } from "../../concepts/models/words";
import { Snippets } from "../../concepts/snippets/Snippets";
import { saveText } from "../../lib/csv";
import { useDraft } from "../../lib/drafts";
import { money } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useConversation, type Conversation, type Settings } from "./conversation";
import { useEstimate } from "./estimate";
import { Prompts } from "./Prompts";
import { Talk } from "./Talk";

const MOST_IMAGE_BYTES = 1_500_000;

interface ChatProps {
  keyId: string;
  names: string[];
  entries: CatalogueEntry[];
  settings: Settings;
  setSettings: (settings: Settings) => void;
  continueWith: (name: string) => void;
}

export function Chat({ keyId, names, entries, settings, setSettings, continueWith }: ChatProps) {
  const say = useSay();
  const talks = [useConversation(), useConversation(), useConversation(), useConversation()].slice(0, names.length);
  const [text, setText] = useDraft("message", "");
  const [image, setImage] = useState<string>();
  const [asking, setAsking] = useState<"clear" | "code" | "prompts" | null>(null);
  const first = talks[0]!;
  const isRunning = talks.some((talk) => talk.isRunning);
  const entry = (name: string) => entries.find((one) => one.name === name);
  const estimate = useEstimate(keyId, names, names.map((name) => entry(name)?.pricing), settings, first.turns, text);
  const canSee = names.every((name) => entry(name)?.capabilities.includes("vision"));
  const send = () => {
    if (!text.trim() || isRunning) return;
    talks.forEach((talk, index) => void talk.say(keyId, names[index]!, settings, text, image));
    setText("");
    setImage(undefined);
  };
  const keepOne = (index: number) => {
    const turns = talks[index]!.turns;
    talks.slice(1).forEach((talk) => talk.clear());
    first.load(turns);
    continueWith(names[index]!);
  };
  return (
    <div className="lm-chat">
      <div className="lm-actions">
        <Button variant="link" isInline onClick={() => setAsking("prompts")}>
          {say("saved_prompts")}
        </Button>
        <Button variant="link" isInline onClick={() => setAsking("code")}>
          {say("show_as_code")}
        </Button>
        {first.turns.length > 0 && (
          <>
            <Button variant="link" isInline onClick={() => saveText("conversation.md", asMarkdown(first), "text/markdown")}>
              {say("export_markdown")}
            </Button>
            <Button variant="link" isInline onClick={() => saveText("conversation.json", JSON.stringify(talks.map((talk, index) => ({ model: names[index], settings, turns: talk.turns })), null, 2), "application/json")}>
              {say("export_json")}
            </Button>
            <Button variant="link" isInline isDanger onClick={() => setAsking("clear")}>
              {say("clear")}
            </Button>
          </>
        )}
      </div>
      <div className="lm-columns">
        {talks.map((talk, index) => (
          <section key={index} aria-label={names[index]} className="lm-stack">
            {names.length > 1 && (
              <header className="lm-row">
                <strong>{names[index]}</strong>
                <span className="lm-actions">
                  {talk.isRunning && <StopButton talk={talk} />}
                  {!isRunning && talk.turns.length > 0 && (
                    <Button variant="link" isInline onClick={() => keepOne(index)}>
                      {say("continue_with_this")}
                    </Button>
                  )}
                </span>
              </header>
            )}
            {talk.turns.length === 0 && <p className="lm-subtle lm-talk-empty">{say("say_something", { model: names[index]! })}</p>}
            <Talk turns={talk.turns} pricing={entry(names[index]!)?.pricing} keyId={keyId} isRunning={talk.isRunning} again={(at, words) => void talk.again(keyId, names[index]!, settings, at, words)} />
          </section>
        ))}
      </div>
      <div className="lm-compose">
        {image && (
          <span className="lm-copyable">
            <img className="lm-picture" src={image} alt={say("attached_image")} />
            <Button variant="link" onClick={() => setImage(undefined)}>
              {say("remove")}
            </Button>
          </span>
        )}
        <Compose text={text} setText={setText} send={send} />
        <div className="lm-row">
          <span className="lm-subtle" role="status">
            {estimate && say("costs_at_most", { cost: money(estimate.mostNano), tokens: estimate.promptTokens })}
            {estimate?.remainingNano != null && ` · ${say("left_on_key", { money: money(estimate.remainingNano) })}`}
          </span>
          <span className="lm-actions">
            {canSee && <Picture pick={setImage} />}
            {isRunning && names.length === 1 && <StopButton talk={first} />}
            <Button isDisabled={!text.trim() || isRunning} onClick={send}>
              {say("send")}
            </Button>
          </span>
        </div>
      </div>
      {asking === "clear" && (
        <Confirm title={say("clear_conversation")} text={say("cannot_be_undone")} submit={say("clear")} close={() => setAsking(null)} act={async () => talks.forEach((talk) => talk.clear())} />
      )}
      {asking === "code" && (
        <Dialog title={say("show_as_code")} close={() => setAsking(null)} size="large">
          <Snippets model={names[0]!} type="chat" streaming={settings.streaming} system={settings.system} temperature={settings.temperature} maxTokens={settings.maxTokens} text={first.turns.findLast((turn) => turn.role === "user")?.text || text || "Hello!"} />
        </Dialog>
      )}
      {asking === "prompts" && <Prompts close={() => setAsking(null)} settings={settings} text={text} use={(system, words) => { setSettings({ ...settings, system }); setText(words); setAsking(null); }} />}
    </div>
  );
}

function Compose({ text, setText, send }: { text: string; setText: (text: string) => void; send: () => void }) {
  const say = useSay();
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => box.current?.focus({ preventScroll: true }), []);
  return (
    <textarea
      ref={box}
      className="lm-input"
      rows={3}
      aria-label={say("your_message")}
      placeholder={say("write_message")}
      value={text}
      onChange={(event) => setText(event.target.value)}
      onKeyDown={(event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
          event.preventDefault();
          send();
        }
      }}
    />
  );
}

function StopButton({ talk }: { talk: Conversation }) {
  const say = useSay();
  return (
    <Button variant="secondary" size="sm" onClick={talk.stop}>
      {say("stop")}
    </Button>
  );
}

function Picture({ pick }: { pick: (image: string) => void }) {
  const say = useSay();
  const input = useRef<HTMLInputElement>(null);
  const read = (file: File | undefined) => {
    if (!file || file.size > MOST_IMAGE_BYTES) return;
    const reader = new FileReader();
    reader.onload = () => pick(String(reader.result));
    reader.readAsDataURL(file);
  };
  return (
    <>
      <input ref={input} type="file" hidden accept="image/png,image/jpeg,image/webp" onChange={(event) => read(event.target.files?.[0])} />
      <Button variant="secondary" onClick={() => input.current?.click()}>
        {say("add_image")}
      </Button>
    </>
  );
}

function asMarkdown(talk: Conversation): string {
  return talk.turns.map((turn) => `## ${turn.role === "user" ? "User" : "Assistant"}\n\n${turn.text}\n`).join("\n");
}
