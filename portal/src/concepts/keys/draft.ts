/** Of one model on the key. Units: nano, per minute. */
export interface ModelLimit {
  max_budget_nano?: number | null;
  budget_duration?: string | null;
  rpm?: number | null;
  tpm?: number | null;
}

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
  model_limits: Record<string, ModelLimit>;
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
  model_limits: {},
};

/** Limits of models that are on the key, without those that say nothing. */
export function limitsOf(draft: KeyDraft): Record<string, ModelLimit> {
  const says = (limit: ModelLimit) => Object.values(limit).some((value) => value != null);
  return Object.fromEntries(Object.entries(draft.model_limits).filter(([name, limit]) => draft.models.includes(name) && says(limit)));
}
