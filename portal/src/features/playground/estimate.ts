/** What may the next call cost at most? Asked of the server when the person pauses. */
import { useEffect, useState } from "react";
import type { Pricing } from "../../concepts/models/words";
import { call } from "../../lib/api";
import { costOf } from "./cost";
import { messagesOf, type Settings, type Turn } from "./conversation";

interface Estimate {
  promptTokens: number;
  mostNano: number;
  remainingNano: number | null;
}
const PAUSE_MS = 700;

/** The sum over the models that are compared; null = not known. */
export function useEstimate(keyId: string, names: string[], prices: (Pricing | undefined)[], settings: Settings, turns: Turn[], text: string): Estimate | null {
  const [estimate, setEstimate] = useState<Estimate | null>(null);
  const models = names.join("\n");
  const priced = JSON.stringify(prices);
  useEffect(() => {
    if (!text.trim()) {
      setEstimate(null);
      return undefined;
    }
    const controller = new AbortController();
    const timer = setTimeout(() => {
      const messages = messagesOf(settings, [...turns, { role: "user", text, at: "" }]) as never;
      const known = JSON.parse(priced) as (Pricing | null)[];
      const summed = (found: { prompt_tokens: number | null; remaining_nano: number | null }[]): Estimate | null => {
        if (found.some((one) => one.prompt_tokens === null) || known.some((price) => !price)) return null;
        const most = found.map((one, index) => costOf({ prompt_tokens: one.prompt_tokens ?? 0, completion_tokens: settings.maxTokens }, known[index]) ?? 0);
        return { promptTokens: found[0]?.prompt_tokens ?? 0, mostNano: most.reduce((sum, cost) => sum + cost, 0), remainingNano: found[0]?.remaining_nano ?? null };
      };
      const asked = models.split("\n").map((model) =>
        call("post", "/api/v1/playground/estimate", { body: { key_id: keyId, model, messages }, signal: controller.signal }),
      );
      Promise.all(asked).then(
        (found) => setEstimate(summed(found)),
        () => setEstimate(null),
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [keyId, models, priced, settings, turns, text]);
  return estimate;
}
