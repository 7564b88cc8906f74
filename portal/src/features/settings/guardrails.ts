/** A guardrail of one's own as the API has it, and as a form shows it. What the form has no field for stays as it was. */
export const SIDES = ["prompt", "answer"] as const;
export type Side = (typeof SIDES)[number];
export type Action = "BLOCK" | "MASK";

export interface Expression {
  name: string;
  pattern: string;
  action: Action;
}

export interface Category {
  category: string;
  level: string;
  action: Action;
}

export interface GuardrailDraft {
  name: string;
  isAlwaysOn: boolean;
  sides: Side[];
  /** Kinds that are known by name, and what is done about them. */
  known: Record<string, Action>;
  expressions: Expression[];
  words: string;
  wordsAction: Action;
  categories: Category[];
}

type Members = Record<string, unknown>;
export interface Entry {
  guardrail_name: string;
  litellm_params: Members;
}

const list = (params: Members, member: string) => (params[member] as Members[] | undefined) ?? [];
const action = (one: Members): Action => (String(one["action"] ?? "BLOCK").toUpperCase() === "MASK" ? "MASK" : "BLOCK");
const isKnown = (one: Members) => (one["pattern_type"] ?? ("pattern" in one ? "regex" : "prebuilt")) === "prebuilt";
const MODES: Record<Side, string> = { prompt: "pre_call", answer: "post_call" };

export function draftOf(entry: Entry | null): GuardrailDraft {
  const params = entry?.litellm_params ?? {};
  const modes = [params["mode"] ?? "pre_call"].flat() as string[];
  const words = list(params, "blocked_words");
  return {
    name: entry?.guardrail_name ?? "",
    isAlwaysOn: params["default_on"] === true,
    sides: SIDES.filter((side) => modes.includes(MODES[side]) || (side === "prompt" && modes.includes("during_call"))),
    known: Object.fromEntries(list(params, "patterns").filter(isKnown).map((one) => [String(one["pattern_name"]), action(one)])),
    expressions: list(params, "patterns").filter((one) => !isKnown(one)).map((one) => ({ name: String(one["name"] ?? ""), pattern: String(one["pattern"] ?? ""), action: action(one) })),
    words: words.map((one) => String(one["keyword"])).join("\n"),
    wordsAction: words[0] ? action(words[0]) : "BLOCK",
    categories: list(params, "categories").filter((one) => one["enabled"] !== false).map((one) => ({ category: String(one["category"]), level: String(one["severity_threshold"] ?? "medium"), action: action(one) })),
  };
}

/** The entry that a draft means, made of the one that it was read from. */
export function entryOf(draft: GuardrailDraft, before: Entry | null): Entry {
  const params = before?.litellm_params ?? {};
  const words = new Map(list(params, "blocked_words").map((one) => [String(one["keyword"]), one]));
  const wasAction = draftOf(before).wordsAction;
  const categories = list(params, "categories");
  const mode = draft.sides.map((side) => MODES[side]);
  return {
    ...before,
    guardrail_name: draft.name.trim(),
    litellm_params: {
      ...params,
      guardrail: "litellm_content_filter",
      mode: mode.length === 1 ? mode[0] : mode,
      default_on: draft.isAlwaysOn,
      patterns: [
        ...Object.entries(draft.known).map(([name, what]) => ({ pattern_type: "prebuilt", pattern_name: name, action: what })),
        ...draft.expressions.map((one) => ({ pattern_type: "regex", ...one })),
      ],
      blocked_words: [...new Set(draft.words.split("\n").map((word) => word.trim()).filter(Boolean))].map((keyword) => ({
        ...words.get(keyword),
        keyword,
        action: words.has(keyword) && draft.wordsAction === wasAction ? action(words.get(keyword)!) : draft.wordsAction,
      })),
      categories: [
        ...draft.categories.map((one) => ({ ...categories.find((was) => was["category"] === one.category), category: one.category, enabled: true, severity_threshold: one.level, action: one.action })),
        ...categories.filter((one) => one["enabled"] === false && !draft.categories.some((kept) => kept.category === one["category"])),
      ],
    },
  };
}

/** The same entries with another one in the place of the one called so; a new one, or one that is gone meanwhile, comes last. */
export function replaced(all: Entry[], name: string | null, changed: Entry | null): Entry[] {
  const at = all.findIndex((entry) => entry.guardrail_name === name);
  const others = all.filter((_, index) => index !== at);
  if (changed) others.splice(at < 0 ? others.length : at, 0, changed);
  return others;
}

/** How many things it looks for. */
export function partsOf(entry: Entry): number {
  const params = entry.litellm_params;
  return list(params, "patterns").length + list(params, "blocked_words").length + list(params, "categories").filter((one) => one["enabled"] !== false).length;
}
