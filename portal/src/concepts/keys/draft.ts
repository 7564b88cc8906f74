/** What can be said of a key when it is made or changed? */
export interface KeyDraft {
  name: string;
  description: string;
  team_id: string | null;
  models: string[];
  expires_at: string | null;
  max_budget_nano: number | null;
  budget_duration: string | null;
  soft_budget_nano: number | null;
  tpm_limit: number | null;
  rpm_limit: number | null;
  max_parallel_requests: number | null;
}

export const EMPTY_KEY: KeyDraft = {
  name: "",
  description: "",
  team_id: null,
  models: [],
  expires_at: null,
  max_budget_nano: null,
  budget_duration: null,
  soft_budget_nano: null,
  tpm_limit: null,
  rpm_limit: null,
  max_parallel_requests: null,
};

/** Only what differs: a field that nobody touched stays as it is on the server. */
export function changesOf(before: KeyDraft, after: KeyDraft): Partial<KeyDraft> {
  const names = Object.keys(after) as (keyof KeyDraft)[];
  return Object.fromEntries(names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name])).map((name) => [name, after[name]]));
}
