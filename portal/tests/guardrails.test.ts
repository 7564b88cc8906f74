import { expect, test } from "vitest";
import { draftOf, entryOf, partsOf, type Entry } from "../src/features/settings/guardrails";

const ENTRY: Entry = {
  guardrail_name: "company",
  litellm_params: {
    guardrail: "litellm_content_filter",
    mode: ["pre_call", "post_call"],
    default_on: true,
    keyword_redaction_tag: "[GONE]",
    patterns: [
      { pattern_type: "prebuilt", pattern_name: "email", action: "MASK" },
      { name: "employee", pattern: "\\bEMP-[0-9]{6}\\b" },
    ],
    blocked_words: [{ keyword: "falcon", action: "BLOCK" }, { keyword: "heron", action: "MASK" }],
    categories: [
      { category: "explosives", severity_threshold: "high", action: "BLOCK", keywords: ["boom"] },
      { category: "terrorism", enabled: false },
    ],
  },
};

test("a guardrail that nobody changed means the same after the form", () => {
  const same = entryOf(draftOf(ENTRY), ENTRY).litellm_params;
  expect(same).toMatchObject({ mode: ["pre_call", "post_call"], default_on: true, keyword_redaction_tag: "[GONE]" });
  expect(same["blocked_words"]).toEqual(ENTRY.litellm_params["blocked_words"]);
  expect(same["patterns"]).toEqual([
    { pattern_type: "prebuilt", pattern_name: "email", action: "MASK" },
    { pattern_type: "regex", name: "employee", pattern: "\\bEMP-[0-9]{6}\\b", action: "BLOCK" },
  ]);
  expect(same["categories"]).toEqual([
    { category: "explosives", severity_threshold: "high", action: "BLOCK", keywords: ["boom"], enabled: true },
    { category: "terrorism", enabled: false },
  ]);
  expect(partsOf(ENTRY)).toBe(5);
});

test("words are told apart by lines, once each, and their action can be changed for all", () => {
  const draft = { ...draftOf(null), name: " words ", words: "one\n two \n\none", wordsAction: "MASK" as const, sides: ["answer" as const] };
  const made = entryOf(draft, null);
  expect(made.guardrail_name).toBe("words");
  expect(made.litellm_params).toMatchObject({ mode: "post_call", blocked_words: [{ keyword: "one", action: "MASK" }, { keyword: "two", action: "MASK" }] });
  const changed = entryOf({ ...draftOf(ENTRY), wordsAction: "MASK" }, ENTRY);
  expect((changed.litellm_params["blocked_words"] as { action: string }[]).map(({ action }) => action)).toEqual(["MASK", "MASK"]);
});
