/** A value with a button that copies it, and says whether that worked. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import CheckIcon from "@patternfly/react-icons/dist/esm/icons/check-icon";
import CopyIcon from "@patternfly/react-icons/dist/esm/icons/copy-icon";
import { useState } from "react";
import { useSay } from "../lib/i18n";

async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** For pages without the clipboard's permission, such as plain http. */
function copyBySelection(text: string): boolean {
  const field = Object.assign(document.createElement("textarea"), { value: text });
  (document.querySelector("dialog[open], [role=dialog]") ?? document.body).append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    field.remove();
  }
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const say = useSay();
  const [outcome, setOutcome] = useState<"" | "copied" | "copy_failed">("");
  const copy = async () => {
    setOutcome((await copyText(text)) ? "copied" : "copy_failed");
    setTimeout(() => setOutcome(""), 4000);
  };
  return (
    <span className="lm-copy">
      <Button
        variant="plain"
        size="sm"
        icon={outcome === "copied" ? <CheckIcon /> : <CopyIcon />}
        aria-label={say("copy_what", { what: label })}
        onClick={() => void copy()}
      />
      <span role="status" className={outcome === "copy_failed" ? "lm-bad" : "pf-v6-screen-reader"}>
        {outcome && say(outcome)}
      </span>
    </span>
  );
}

export function Copyable({ text, label, shown }: { text: string; label: string; shown?: string }) {
  return (
    <span className="lm-copyable">
      <code title={text}>{shown ?? text}</code>
      <CopyButton text={text} label={label} />
    </span>
  );
}

export function CodeBlock({ code, label }: { code: string; label: string }) {
  return (
    <div className="lm-code">
      <CopyButton text={code} label={label} />
      <pre tabIndex={0} aria-label={label}>
        <code>{code}</code>
      </pre>
    </div>
  );
}
