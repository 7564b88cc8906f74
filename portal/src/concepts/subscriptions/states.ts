/** The states of a subscription, in the order in which people ask for them. */
export const SUBSCRIPTION_STATES = ["active", "pending", "denied", "suspended", "expired", "cancelled", "inactive"] as const;
