/** All guardrails of one's own are one group of settings: read, and put back, as a whole and with its version. */
import { call } from "../../lib/api";
import type { Entry } from "./guardrails";

export const GROUP = { group: "guardrails" } as const;

export interface Group {
  guardrails: Entry[];
}

/** Throws ApiError. */
export async function readGuardrails(): Promise<Group> {
  return (await call("get", "/api/v1/admin/settings/{group}", { path: GROUP })) as unknown as Group;
}
