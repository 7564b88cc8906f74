/** What is a workshop while it is planned: what the wizard holds, what is wrong with it, and what the API is asked for. */
import type { BodyOf } from "../../lib/api";
import type { Say } from "../../lib/i18n";
import { ownZone, toMoment } from "../../lib/zones";
import { readRoster } from "./roster";

export type Body = BodyOf<"/api/v1/workshops", "post">;
export type Claiming = "shared_code" | "seat_codes" | "roster";

export interface Draft {
  title: string;
  description: string;
  organisers: string;
  zone: string;
  /** As clocks of the zone show it. */
  starts: string;
  ends: string;
  opens: string;
  closes: string;
  claiming: Claiming;
  seats: number | null;
  roster: string;
  models: string[];
  pot_nano: number | null;
  seat_nano: number | null;
  rpm: number | null;
  tpm: number | null;
  parallel: number | null;
}

export const MOST_SEATS = 2_000;
export const STEPS = ["step_basics", "step_seats", "step_models", "step_money", "step_review"] as const;

export const emptyDraft = (organiser: string): Draft => ({
  title: "", description: "", organisers: organiser, zone: ownZone(), starts: "", ends: "", opens: "", closes: "",
  claiming: "shared_code", seats: 20, roster: "", models: [], pot_nano: null, seat_nano: null, rpm: null, tpm: null, parallel: 2,
});

const names = (text: string) => text.split(",").map((name) => name.trim()).filter(Boolean);

/** What must be mended in a step, by field. */
export function mends(draft: Draft, step: (typeof STEPS)[number], say: Say): Record<string, string> {
  const found: Record<string, string> = {};
  const need = (field: string, isThere: boolean) => isThere || (found[field] = say("field_required"));
  if (step === "step_basics") {
    need("title", draft.title.trim() !== "");
    need("organisers", names(draft.organisers).length > 0);
    need("starts", draft.starts !== "");
    need("ends", draft.ends !== "");
    if (draft.starts && draft.ends && draft.ends <= draft.starts) found["ends"] = say("after_the_start");
    else if (draft.ends && Date.parse(toMoment(draft.ends, draft.zone)) <= Date.now()) found["ends"] = say("must_be_in_future");
    const [opens, closes] = [draft.opens || draft.starts, draft.closes || draft.ends];
    if (draft.opens && (opens < draft.starts || opens >= draft.ends)) found["opens"] = say("within_the_workshop");
    if (draft.closes && (closes > draft.ends || closes <= opens)) found["closes"] = say("within_the_workshop");
  }
  if (step === "step_seats") {
    const seats = seatsOf(draft);
    if (draft.claiming === "roster" && readRoster(draft.roster).mistakes.length > 0) found["roster"] = "";
    if (draft.claiming === "roster") need("roster", seats > 0);
    if (seats < 1 || seats > MOST_SEATS) found[draft.claiming === "roster" ? "roster" : "seats"] = say("allowed_range", { min: 1, max: MOST_SEATS });
  }
  if (step === "step_models" && draft.models.length === 0) found["models"] = say("pick_a_model");
  if (step === "step_money") {
    need("pot", draft.pot_nano !== null);
    if (draft.seat_nano !== null && draft.pot_nano !== null && draft.seat_nano > draft.pot_nano) found["seat_cap"] = say("not_above_pot");
    if (draft.parallel !== null && draft.parallel < 1) found["parallel"] = say("allowed_range", { min: 1, max: 100_000 });
  }
  return found;
}

export function seatsOf(draft: Draft): number {
  return draft.claiming === "roster" ? readRoster(draft.roster).people.length : (draft.seats ?? 0);
}

export function bodyOf(draft: Draft): Body {
  const moment = (local: string) => (local ? toMoment(local, draft.zone) : null);
  const isRoster = draft.claiming === "roster";
  return {
    title: draft.title.trim(),
    description: draft.description.trim(),
    organisers: names(draft.organisers),
    time_zone: draft.zone,
    starts_at: toMoment(draft.starts, draft.zone),
    ends_at: toMoment(draft.ends, draft.zone),
    claim_opens_at: moment(draft.opens),
    claim_closes_at: moment(draft.closes),
    seats: seatsOf(draft),
    claim_mode: isRoster ? "seat_codes" : (draft.claiming as "shared_code" | "seat_codes"),
    labels: isRoster ? readRoster(draft.roster).people : [],
    models: draft.models,
    pot_nano: draft.pot_nano ?? 0,
    limits: { budget_nano: draft.seat_nano, rpm_limit: draft.rpm, tpm_limit: draft.tpm, max_parallel_requests: draft.parallel },
  };
}
