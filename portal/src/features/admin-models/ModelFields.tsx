/** What is said of a model: name, type, sizes, abilities, price. What does not apply to its type is not asked for. */
import { Area, Check, Choice, fieldErrors, Money, Text, Whole } from "../../components/fields";
import { CAPABILITIES, capabilityWord, mediaPrice, TYPES, typeWord } from "../../concepts/models/words";
import type { Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";

type Held = Reply<"/api/v1/admin/models/{model_id}", "get">;

export interface ModelDraft {
  name: string;
  type: (typeof TYPES)[number];
  display_name: string | null;
  description: string;
  provider: string | null;
  tags: string[];
  capabilities: string[];
  context_length: number | null;
  max_output_tokens: number | null;
  rpm_limit: number | null;
  tpm_limit: number | null;
  restricted_access: boolean;
  pricing: Omit<NonNullable<Held["pricing"]>, "varies" | "units">;
}

export function modelDraft(held: Held | null): ModelDraft {
  const price = held?.pricing;
  return {
    name: held?.name ?? "",
    type: held?.type ?? "chat",
    display_name: held?.display_name ?? null,
    description: held?.description ?? "",
    provider: held?.provider ?? null,
    tags: held?.tags ?? [],
    capabilities: held?.capabilities ?? ["streaming"],
    context_length: held?.context_length ?? null,
    max_output_tokens: held?.max_output_tokens ?? null,
    rpm_limit: held?.rpm_limit ?? null,
    tpm_limit: held?.tpm_limit ?? null,
    restricted_access: held?.restricted_access ?? false,
    pricing: {
      input_per_million: price?.input_per_million ?? 0,
      output_per_million: price?.output_per_million ?? 0,
      cached_input_per_million: price?.cached_input_per_million ?? null,
      cache_write_per_million: price?.cache_write_per_million ?? null,
      reasoning_per_million: price?.reasoning_per_million ?? null,
      page_per_million: price?.page_per_million ?? 0,
      request_per_million: price?.request_per_million ?? 0,
      second_per_million: price?.second_per_million ?? 0,
      character_per_million: price?.character_per_million ?? 0,
      image_per_million: price?.image_per_million ?? 0,
      audio_input_per_million: price?.audio_input_per_million ?? null,
      audio_output_per_million: price?.audio_output_per_million ?? null,
      input_above_128k_per_million: price?.input_above_128k_per_million ?? null,
      output_above_128k_per_million: price?.output_above_128k_per_million ?? null,
      input_above_200k_per_million: price?.input_above_200k_per_million ?? null,
      output_above_200k_per_million: price?.output_above_200k_per_million ?? null,
      cached_input_above_200k_per_million: price?.cached_input_above_200k_per_million ?? null,
      cache_write_above_200k_per_million: price?.cache_write_above_200k_per_million ?? null,
    },
  };
}

interface ModelFieldsProps {
  draft: ModelDraft;
  change: (draft: ModelDraft) => void;
  error: unknown;
  isNew?: boolean;
  missing?: string | undefined;
}

export function ModelFields({ draft, change, error, isNew, missing }: ModelFieldsProps) {
  const say = useSay();
  const errors = fieldErrors(error);
  const set = (changes: Partial<ModelDraft>) => change({ ...draft, ...changes });
  const price = (changes: Partial<ModelDraft["pricing"]>) => set({ pricing: { ...draft.pricing, ...changes } });
  const { type } = draft;
  const media = mediaPrice(type);
  return (
    <>
      <div className="lm-pair">
        <Text label={say("model_id")} value={draft.name} maxLength={255} onChange={(name) => set({ name: name.replace(/\s/g, "") })} isRequired help={say("model_id_help")} error={missing ?? errors["name"]} />
        {isNew && <Choice label={say("type")} value={type} onChange={(value) => set({ type: value as ModelDraft["type"] })} options={TYPES.map((value) => ({ value, text: typeWord(say, value) }))} />}
        <Text label={say("display_name")} value={draft.display_name ?? ""} maxLength={255} onChange={(value) => set({ display_name: value || null })} />
        <Text label={say("provider")} value={draft.provider ?? ""} maxLength={255} onChange={(value) => set({ provider: value || null })} />
      </div>
      <Area label={say("description")} value={draft.description} maxLength={4096} onChange={(description) => set({ description })} />
      <div className="lm-pair">
        {type === "convert" ? (
          <Money label={say("price_per_thousand_pages")} value={draft.pricing.page_per_million / 1000} onChange={(value) => price({ page_per_million: Math.round((value ?? 0) * 1000) })} help={say("zero_is_free")} />
        ) : (
          <Money label={say("input_price")} value={draft.pricing.input_per_million} onChange={(value) => price({ input_per_million: value ?? 0 })} help={say("zero_is_free")} />
        )}
        {media && <Money label={say(media.word)} value={(draft.pricing[media.member] * media.units) / 1e6} onChange={(value) => price({ [media.member]: Math.round(((value ?? 0) * 1e6) / media.units) })} help={say("zero_is_free")} />}
        {type === "chat" && <Money label={say("output_price")} value={draft.pricing.output_per_million} onChange={(value) => price({ output_per_million: value ?? 0 })} help={say("zero_is_free")} />}
      </div>
      <div className="lm-pair">
        {type !== "convert" && <Whole label={say("context_tokens")} min={1} value={draft.context_length} onChange={(value) => set({ context_length: value })} error={errors["context_length"]} />}
        {type === "chat" && <Whole label={say("max_output")} min={1} value={draft.max_output_tokens} onChange={(value) => set({ max_output_tokens: value })} error={errors["max_output_tokens"]} />}
        <Whole label={say("rpm")} min={1} value={draft.rpm_limit} onChange={(value) => set({ rpm_limit: value })} error={errors["rpm_limit"]} />
        <Whole label={say("tpm")} min={1} value={draft.tpm_limit} onChange={(value) => set({ tpm_limit: value })} error={errors["tpm_limit"]} />
      </div>
      {type === "chat" && (
        <fieldset className="lm-field">
          <legend>{say("capabilities")}</legend>
          {CAPABILITIES.map((name) => (
            <Check key={name} label={capabilityWord(say, name)} checked={draft.capabilities.includes(name)} onChange={(on) => set({ capabilities: on ? [...draft.capabilities, name] : draft.capabilities.filter((one) => one !== name) })} />
          ))}
        </fieldset>
      )}
      <Text label={say("tags")} value={draft.tags.join(", ")} onChange={(value) => set({ tags: value.split(",").map((tag) => tag.trimStart()).filter((tag, index, all) => tag || index === all.length - 1).filter(Boolean) })} help={say("separated_by_commas")} />
      {isNew && <Check label={say("needs_approval")} checked={draft.restricted_access} onChange={(on) => set({ restricted_access: on })} />}
    </>
  );
}
