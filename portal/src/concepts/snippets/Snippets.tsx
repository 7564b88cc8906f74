/** Tabs of code for one model; the language that was chosen last comes first next time. */
import { useState } from "react";
import { CodeBlock } from "../../components/Copy";
import { Check } from "../../components/fields";
import { useSay } from "../../lib/i18n";
import { useGatewayUrl } from "../../lib/product";
import { buildSnippets, type Wanted } from "./build";

const STORED = "litemaas.snippet";

export function Snippets({ secret, ...wanted }: Omit<Wanted, "base">) {
  const say = useSay();
  const base = useGatewayUrl();
  const [chosen, setChosen] = useState(() => localStorage.getItem(STORED) ?? "curl");
  const [withSecret, setWithSecret] = useState(false);
  const snippets = buildSnippets({ ...wanted, base, secret: withSecret ? secret : undefined });
  const shown = snippets.find((snippet) => snippet.id === chosen) ?? snippets[0]!;
  const choose = (id: string) => {
    setChosen(id);
    localStorage.setItem(STORED, id);
  };
  return (
    <div className="lm-snippets">
      <div className="lm-actions" role="group" aria-label={say("language_of_code")}>
        {snippets.map((snippet) => (
          <button key={snippet.id} type="button" className="lm-chip" aria-pressed={snippet.id === shown.id} onClick={() => choose(snippet.id)}>
            {snippet.title}
          </button>
        ))}
      </div>
      <CodeBlock code={shown.code} label={shown.title} />
      {secret && <Check label={say("put_key_into_code")} checked={withSecret} onChange={setWithSecret} help={say("put_key_into_code_help")} />}
    </div>
  );
}
