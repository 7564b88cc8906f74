/** Prompts that are kept on the server, and some to begin with: use, save, remove, take along as JSON. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useRef, useState } from "react";
import { Dialog, Refusal } from "../../components/Dialog";
import { Text } from "../../components/fields";
import { Empty, Loaded } from "../../components/States";
import { useGet, useSend } from "../../lib/api";
import { saveText } from "../../lib/csv";
import { useSay } from "../../lib/i18n";
import type { Key } from "../../lib/keys";
import { tell } from "../../lib/toasts";
import type { Settings } from "./conversation";

const TEMPLATES = ["summarise", "translate", "proofread", "explain_code", "review_code", "write_tests", "extract_data", "brainstorm"] as const;

interface PromptsProps {
  close: () => void;
  settings: Settings;
  text: string;
  use: (system: string, text: string) => void;
}

export function Prompts({ close, settings, text, use }: PromptsProps) {
  const say = useSay();
  const [search, setSearch] = useState("");
  const [name, setName] = useState("");
  const found = useGet("/api/v1/playground/prompts", { query: { limit: 100, ...(search ? { search } : {}) } }, { keep: true });
  const create = useSend("post", "/api/v1/playground/prompts");
  const remove = useSend("delete", "/api/v1/playground/prompts/{prompt_id}");
  const file = useRef<HTMLInputElement>(null);
  const save = async () => {
    await create.mutateAsync({ body: { name, category: "", system: settings.system, text } }).then(() => setName(""), () => undefined);
  };
  const load = async (picked: File | undefined) => {
    if (!picked) return;
    let taken = 0;
    let refused = 0;
    try {
      const items = JSON.parse(await picked.text()) as { name: string; category?: string; system?: string; text?: string }[];
      for (const item of items)
        await create.mutateAsync({ body: { name: item.name, category: item.category ?? "", system: item.system ?? "", text: item.text ?? "" } }).then(
          () => taken++,
          () => refused++,
        );
      tell(refused ? "warning" : "success", say("prompts_imported", { taken, refused }));
    } catch (error) {
      tell("danger", say("not_a_prompt_file"), error);
    }
  };
  return (
    <Dialog title={say("saved_prompts")} close={close} size="large">
      <div className="lm-stack">
        <div className="lm-toolbar">
          <Text label={say("save_as")} value={name} maxLength={100} onChange={setName} />
          <Button isDisabled={!name.trim() || !(text + settings.system).trim() || create.isPending} onClick={() => void save()}>
            {say("save")}
          </Button>
          <input type="search" className="lm-input lm-search" placeholder={say("search")} aria-label={say("search")} value={search} onChange={(event) => setSearch(event.target.value)} />
        </div>
        <Refusal error={create.error ?? remove.error} />
        <Loaded query={found}>
          {({ data }) => (
            <>
              {data.length === 0 && <Empty title={say("no_prompts")} text={say("no_prompts_text")} />}
              <ul className="lm-items">
                {data.map((prompt) => (
                  <li key={prompt.id} className="lm-item">
                    <strong>{prompt.name}</strong>
                    <span className="lm-clip lm-subtle">{prompt.system || prompt.text}</span>
                    <footer>
                      <Button variant="link" isInline onClick={() => use(prompt.system, prompt.text)}>
                        {say("use")}
                      </Button>
                      <Button variant="link" isInline isDanger onClick={() => remove.mutate({ path: { prompt_id: prompt.id } })}>
                        {say("delete")}
                      </Button>
                    </footer>
                  </li>
                ))}
              </ul>
              <div className="lm-actions">
                <input ref={file} type="file" hidden accept="application/json" onChange={(event) => void load(event.target.files?.[0])} />
                <Button variant="link" onClick={() => file.current?.click()}>
                  {say("import_json")}
                </Button>
                {data.length > 0 && (
                  <Button variant="link" onClick={() => saveText("prompts.json", JSON.stringify(data.map(({ name: title, category, system, text: words }) => ({ name: title, category, system, text: words })), null, 2), "application/json")}>
                    {say("export_json")}
                  </Button>
                )}
              </div>
            </>
          )}
        </Loaded>
        <h3>{say("templates")}</h3>
        <div className="lm-actions">
          {TEMPLATES.map((template) => (
            <button key={template} type="button" className="lm-chip" onClick={() => use(say(`template_${template}_text` as Key), text)}>
              {say(`template_${template}` as Key)}
            </button>
          ))}
        </div>
      </div>
    </Dialog>
  );
}
