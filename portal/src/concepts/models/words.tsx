/** How prices, capabilities and sizes of models are said. */
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import type { Reply } from "../../lib/api";
import { compact, money, UNKNOWN } from "../../lib/format";
import { useSay, type Say } from "../../lib/i18n";
import type { Key } from "../../lib/keys";

export type CatalogueEntry = Reply<"/api/v1/models", "get">["data"][number];
export type Pricing = CatalogueEntry["pricing"];
export const CAPABILITIES = ["vision", "function_calling", "parallel_function_calling", "tool_choice", "tokenize", "streaming"] as const;
export const TYPES = ["chat", "embeddings", "convert", "rerank", "image", "transcription", "speech", "moderation"] as const;

/** Keys of older clients name models whose type is not known: they are chat models. */
export const modelType = (type: string | null | undefined) => TYPES.find((known) => known === type) ?? "chat";
/** Answers of other models come whole. */
export const hasFirstToken = (type: string | null | undefined) => modelType(type) === "chat";
export const typeWord = (say: Say, type: string) => say(`type_${type}` as Key);
export const capabilityWord = (say: Say, name: string) => say(`capability_${name}` as Key);
export const shownName = (model: { name: string; display_name?: string | null }) => model.display_name || model.name;

/** "free" for zero, a dash for what nobody has priced. */
export function priceWord(say: Say, nano: number | null | undefined): string {
  return nano === 0 ? say("free") : nano == null ? UNKNOWN : money(nano);
}

/** What a type is charged by besides tokens: its price for so many units as people reckon with. */
export const MEDIA_PRICES = {
  transcription: { member: "second_per_million", word: "price_per_minute", units: 60 },
  speech: { member: "character_per_million", word: "price_per_million_characters", units: 1e6 },
  image: { member: "image_per_million", word: "price_per_image", units: 1 },
} as const;
export const mediaPrice = (type: string) => (type in MEDIA_PRICES ? MEDIA_PRICES[type as keyof typeof MEDIA_PRICES] : null);

/** Input and output per million tokens; per page, minute, characters or image, with the tokens where they cost, too. */
export function priceFacts(say: Say, type: string, pricing: Pricing): [string, string][] {
  if (!pricing) return [[say("price"), UNKNOWN]];
  if (type === "convert") return [[say("price_per_page"), priceWord(say, pricing.page_per_million === 0 ? 0 : pricing.page_per_million / 1e6)]];
  const media = mediaPrice(type);
  if (media) {
    const facts: [string, string][] = [[say(media.word), priceWord(say, (pricing[media.member] * media.units) / 1e6)]];
    if (pricing.input_per_million > 0) facts.push([say("input_price"), priceWord(say, pricing.input_per_million)]);
    return facts;
  }
  const both: [string, string][] = [[say("input_price"), priceWord(say, pricing.input_per_million)]];
  if (type === "chat") both.push([say("output_price"), priceWord(say, pricing.output_per_million)]);
  return both;
}

export function contextWord(tokens: number | null | undefined): string {
  return compact(tokens);
}

export function Capabilities({ names }: { names: readonly string[] }) {
  const say = useSay();
  if (names.length === 0) return null;
  return (
    <div className="lm-labels">
      {names.map((name) => (
        <Label key={name} isCompact variant="outline">
          {capabilityWord(say, name)}
        </Label>
      ))}
    </div>
  );
}
