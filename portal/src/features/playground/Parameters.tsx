/** How should the model answer? Kept for the next visit; never a secret. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Area, Check, Text } from "../../components/fields";
import { useSay } from "../../lib/i18n";
import { USUAL, type Settings } from "./conversation";

export function Parameters({ settings, change, most }: { settings: Settings; change: (settings: Settings) => void; most: number }) {
  const say = useSay();
  const set = (changes: Partial<Settings>) => change({ ...settings, ...changes });
  const number = (text: string, least: number, highest: number) => Math.min(highest, Math.max(least, Number(text) || 0));
  return (
    <div className="lm-form">
      <Area label={say("system_prompt")} value={settings.system} rows={4} maxLength={20_000} onChange={(system) => set({ system })} />
      <div className="lm-pair lm-tight">
        <Text label={say("temperature")} type="number" min={0} max={2} step={0.1} value={String(settings.temperature)} onChange={(text) => set({ temperature: number(text, 0, 2) })} />
        <Text label="top-p" type="number" min={0} max={1} step={0.05} value={String(settings.topP)} onChange={(text) => set({ topP: number(text, 0, 1) })} />
      </div>
      <Text label={say("max_tokens")} type="number" min={1} max={most} value={String(settings.maxTokens)} onChange={(text) => set({ maxTokens: Math.trunc(number(text, 1, most)) })} help={say("allowed_range", { min: 1, max: most })} />
      <Area label={say("stop_sequences")} value={settings.stop} rows={2} onChange={(stop) => set({ stop })} help={say("stop_sequences_help")} />
      <Check label={say("streaming")} checked={settings.streaming} onChange={(streaming) => set({ streaming })} />
      <div>
        <Button variant="link" isInline onClick={() => change(USUAL)}>
          {say("reset")}
        </Button>
      </div>
    </div>
  );
}
