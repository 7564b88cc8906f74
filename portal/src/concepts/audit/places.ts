/** On which page is the thing that an audit record is about? The server says whether it is there; groups of settings always are. */
import type { Reply } from "../../lib/api";

type Row = Reply<"/api/v1/admin/audit", "get">["data"][number];
type Subject = NonNullable<Row["subject"]>;

const OF_LIMITS = ["users", "teams", "counts", "subscriptions", "api-keys"];
const OF_GENERAL = ["sessions", "retention", "analytics", "catalogue", "chargeback"];
const TAB_OF_GROUP: Record<string, string> = {
  ...Object.fromEntries(OF_LIMITS.map((group) => [group, "limits"])),
  ...Object.fromEntries(OF_GENERAL.map((group) => [group, "general"])),
  currency: "currency",
  notifications: "notifications",
  guardrails: "guardrails",
};

export function placeOf(row: Pick<Row, "type" | "resource_id" | "subject">, may: (permission: string) => boolean): string | null {
  if (row.subject) return placeOfSubject(row.subject, row.type);
  const tab = row.type === "settings" ? TAB_OF_GROUP[row.resource_id] : row.type === "branding" ? "branding" : undefined;
  if (tab && may("admin:settings:read")) return `/admin/settings/${tab}`;
  return row.type === "chargeback" && may("admin:chargeback:read") ? `/admin/chargeback?month=${encodeURIComponent(row.resource_id)}` : null;
}

function placeOfSubject({ kind, id, name, user_id, team_id, model, status }: Subject, type: string): string {
  const one = encodeURIComponent(id);
  switch (kind) {
    case "user":
      return `/admin/users/${one}${type === "budget" ? "?tab=limits" : ""}`;
    case "key":
      return `/admin/users/${encodeURIComponent(user_id ?? "")}?${new URLSearchParams({ tab: "keys", search: name ?? "" }).toString()}`;
    case "team":
      return `/teams/${one}`;
    case "model":
      return `/admin/models/${one}`;
    case "workshop":
      return `/workshops/${one}`;
    case "banner":
      return "/admin/settings/banners";
    case "webhook":
      return "/admin/settings/notifications";
    case "subscription":
      return `/admin/subscriptions?${new URLSearchParams({ statuses: status ?? "", models: model ?? "", ...(team_id ? { teams: team_id } : { users: user_id ?? "" }) }).toString()}`;
  }
}
