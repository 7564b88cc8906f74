/** A guardrail that asks a service, as the API has it and as a form shows it. What the form has no field for stays as it was. */
import type { Entry } from "./guardrails";

export const SERVICES = ["generic_guardrail_api", "presidio"] as const;
export type Service = (typeof SERVICES)[number];
export const MODES = ["pre_call", "during_call", "post_call", "logging_only"] as const;
export type Mode = (typeof MODES)[number];
/** What the API shows in the place of a secret, and takes as "the one that is kept". */
export const HIDDEN = "****";

export interface ServiceDraft {
  name: string;
  service: Service;
  address: string;
  anonymizer: string;
  modes: Mode[];
  isAlwaysOn: boolean;
  /** Written now; empty = the one that is kept, if any. */
  key: string;
  hasKey: boolean;
  timeout: string;
  isOpen: boolean;
  /** Kinds of data, one `KIND=MASK` or `KIND=BLOCK` per line. */
  kinds: string;
  language: string;
}

const ADDRESS: Record<Service, string> = { generic_guardrail_api: "api_base", presidio: "presidio_analyzer_api_base" };
const KIND = /^([A-Z][A-Z0-9_]{1,63})\s*[=:]\s*(MASK|BLOCK)$/;

export const serviceOf = (entry: Entry): Service | null => SERVICES.find((one) => one === entry.litellm_params["guardrail"]) ?? null;
export const addressOf = (entry: Entry) => text(entry.litellm_params[ADDRESS[serviceOf(entry) ?? "generic_guardrail_api"]]);
export const modesOf = (entry: Entry): Mode[] => MODES.filter((mode) => [entry.litellm_params["mode"]].flat().includes(mode));

const text = (value: unknown) => (typeof value === "string" || typeof value === "number" ? String(value) : "");

export function serviceDraftOf(entry: Entry | null): ServiceDraft {
  const params = entry?.litellm_params ?? {};
  return {
    name: entry?.guardrail_name ?? "",
    service: (entry && serviceOf(entry)) ?? "generic_guardrail_api",
    address: entry ? addressOf(entry) : "",
    anonymizer: text(params["presidio_anonymizer_api_base"]),
    modes: entry ? modesOf(entry) : ["pre_call"],
    isAlwaysOn: params["default_on"] === true,
    key: "",
    hasKey: params["api_key"] === HIDDEN,
    timeout: text(params["timeout"]),
    isOpen: params["unreachable_fallback"] === "fail_open",
    kinds: Object.entries((params["pii_entities_config"] ?? {}) as Record<string, string>).map(([kind, action]) => `${kind}=${action}`).join("\n"),
    language: text(params["presidio_language"]),
  };
}

const linesOf = (kinds: string) => kinds.split("\n").map((line) => line.trim()).filter(Boolean);

/** Whether each line names a kind and what is done about it. */
export const areKinds = (kinds: string) => linesOf(kinds).every((line) => KIND.test(line));

/** The entry that a draft means, made of the one that it was read from. */
export function serviceEntryOf(draft: ServiceDraft, before: Entry | null): Entry {
  const was = before && serviceOf(before) === draft.service ? before.litellm_params : {};
  const isPresidio = draft.service === "presidio";
  const kinds = Object.fromEntries(linesOf(draft.kinds).map((line) => KIND.exec(line)?.slice(1, 3) ?? [line, ""]));
  const params: Record<string, unknown> = {
    ...was,
    guardrail: draft.service,
    mode: draft.modes.length === 1 ? draft.modes[0] : draft.modes,
    default_on: draft.isAlwaysOn,
    [ADDRESS[draft.service]]: draft.address.trim(),
    unreachable_fallback: draft.isOpen ? "fail_open" : "fail_closed",
    timeout: draft.timeout.trim() ? Number(draft.timeout) : undefined,
    api_key: isPresidio ? undefined : draft.key || (draft.hasKey ? HIDDEN : undefined),
    presidio_anonymizer_api_base: (isPresidio && draft.anonymizer.trim()) || undefined,
    presidio_language: (isPresidio && draft.language.trim()) || undefined,
    pii_entities_config: isPresidio && Object.keys(kinds).length ? kinds : undefined,
  };
  return { ...before, guardrail_name: draft.name.trim(), litellm_params: Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined)) };
}
