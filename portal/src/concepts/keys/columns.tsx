/** The columns of a list of keys, wherever it stands. */
import type { ReactNode } from "react";
import type { Column } from "../../components/DataTable";
import { Meter } from "../../components/Meter";
import { Status } from "../../components/Status";
import type { Reply } from "../../lib/api";
import { ago, count, day, moment } from "../../lib/format";
import type { Say } from "../../lib/i18n";

export type KeyRow = Reply<"/api/v1/keys", "get">["data"][number];

export function shownState(key: KeyRow): string {
  if (key.state !== "active") return key.state;
  if (key.blocked_by) return "blocked";
  return key.old_secret_valid_until && Date.parse(key.old_secret_valid_until) > Date.now() ? "in_grace" : "active";
}

export function keyColumns(say: Say, name: (row: KeyRow) => ReactNode): Column<KeyRow>[] {
  return [
    {
      title: say("name"),
      sort: "name",
      cell: (row) => (
        <>
          {name(row)}
          {row.description && <div className="lm-subtle lm-clip">{row.description}</div>}
        </>
      ),
    },
    { title: say("key"), cell: (row) => <code className="lm-once">{`${row.prefix}…${row.last4}`}</code> },
    {
      title: say("state"),
      cell: (row) => (
        <>
          <Status value={shownState(row)} />
          {row.status_reason && row.state !== "active" && (
            <div className="lm-subtle lm-clip" title={row.status_reason}>
              {row.status_reason}
            </div>
          )}
        </>
      ),
    },
    {
      title: say("models"),
      cell: (row) => (
        <span title={row.models.map((model) => model.name).join(", ")}>
          {row.models.slice(0, 2).map((model) => model.name).join(", ") || "–"}
          {row.models.length > 2 && ` + ${count(row.models.length - 2)}`}
        </span>
      ),
    },
    { title: say("spend"), sort: "spend", highestFirst: true, cell: (row) => <Meter used={row.spent_nano} limit={row.max_budget_nano} label={say("budget")} /> },
    { title: say("expires"), sort: "expires_at", cell: (row) => (row.expires_at ? <span title={moment(row.expires_at)}>{day(row.expires_at)}</span> : say("never")) },
    { title: say("last_used"), sort: "last_used_at", highestFirst: true, cell: (row) => (row.last_used_at ? <span title={moment(row.last_used_at)}>{ago(row.last_used_at)}</span> : say("not_yet")) },
    { title: say("owner"), cell: (row) => <span className="lm-once">{row.team?.name ?? row.owner?.username ?? say("me")}</span> },
  ];
}
