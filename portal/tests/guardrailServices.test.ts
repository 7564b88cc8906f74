import { expect, test } from "vitest";
import { addressOf, areKinds, HIDDEN, modesOf, serviceDraftOf, serviceEntryOf, serviceOf } from "../src/features/settings/guardrailServices";
import type { Entry } from "../src/features/settings/guardrails";

const GENERIC: Entry = {
  guardrail_name: "safety",
  litellm_params: { guardrail: "generic_guardrail_api", mode: ["pre_call", "logging_only"], api_base: "http://guard:8080", api_key: HIDDEN, headers: { "X-Team": HIDDEN }, timeout: 3, unreachable_fallback: "fail_open", default_on: true },
};
const PRESIDIO: Entry = {
  guardrail_name: "names",
  litellm_params: { guardrail: "presidio", mode: "pre_call", presidio_analyzer_api_base: "http://analyzer:3000", pii_entities_config: { PERSON: "MASK" }, presidio_score_thresholds: { ALL: 0.5 }, unreachable_fallback: "fail_closed", default_on: false },
};

test("a service that nobody changed means the same after the form, with its secrets kept", () => {
  for (const entry of [GENERIC, PRESIDIO]) expect(serviceEntryOf(serviceDraftOf(entry), entry)).toEqual(entry);
  expect([serviceOf(GENERIC), addressOf(PRESIDIO), modesOf(GENERIC)]).toEqual(["generic_guardrail_api", "http://analyzer:3000", ["pre_call", "logging_only"]]);
  expect(serviceOf({ guardrail_name: "words", litellm_params: {} })).toBeNull();
});

test("a new key replaces the kept one, and another kind of service takes nothing over", () => {
  expect(serviceEntryOf({ ...serviceDraftOf(GENERIC), key: "new" }, GENERIC).litellm_params["api_key"]).toBe("new");
  const changed = serviceEntryOf({ ...serviceDraftOf(GENERIC), service: "presidio", kinds: "PERSON = MASK\n\nCREDIT_CARD:BLOCK" }, GENERIC).litellm_params;
  expect(changed).toMatchObject({ presidio_analyzer_api_base: "http://guard:8080", pii_entities_config: { PERSON: "MASK", CREDIT_CARD: "BLOCK" } });
  expect(Object.keys(changed)).not.toContain("api_key");
});

test("a line that is no kind with its action is told before it is sent", () => {
  expect([areKinds(""), areKinds("PERSON=MASK"), areKinds("PERSON"), areKinds("person=MASK")]).toEqual([true, true, false, false]);
});
