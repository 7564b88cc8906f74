/** Which of a person's roles is shown? The strongest. */
export const ROLES = ["admin", "adminReadonly", "user", "readonly"] as const;
export type RoleName = (typeof ROLES)[number];

export function shownRole(roles: readonly string[]): RoleName {
  return ROLES.find((role) => roles.includes(role)) ?? "readonly";
}
