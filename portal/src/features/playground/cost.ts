/** What does a call cost by the prices of the catalogue? Units: nano; null = nobody has set a price. */
import type { Pricing } from "../../concepts/models/words";

export function costOf(usage: { prompt_tokens: number; completion_tokens: number }, pricing: Pricing | undefined): number | null {
  if (!pricing) return null;
  return Math.round((usage.prompt_tokens * pricing.input_per_million + usage.completion_tokens * pricing.output_per_million + pricing.request_per_million) / 1e6);
}
