/** The figures of the page as a file, by what the person wants them broken down. */
import { useState } from "react";
import { ExportDialog } from "../../components/ExportDialog";
import { Choice } from "../../components/fields";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import type { usageQuery } from "./Analytics";
import type { Key } from "../../lib/keys";

const CONTENTS: Record<string, Key> = { day: "per_day", model: "per_model", key: "per_key", user: "per_user", team: "per_team", provider: "per_provider" };

export function ExportButton({ query }: { query: ReturnType<typeof usageQuery> }) {
  const say = useSay();
  const may = useMay();
  const [breakdown, setBreakdown] = useState("day");
  if (!may(query.scope === "all" ? "admin:usage:export" : "usage:export")) return null;
  const kinds = Object.entries(CONTENTS).filter(([kind]) => query.scope !== "me" || !["user", "team"].includes(kind));
  return (
    <ExportDialog title={say("export_usage")} path="/api/v1/usage/export" query={{ ...query, breakdown }}>
      <p>{say("export_range", { from: query.start_date, to: query.end_date })}</p>
      <Choice label={say("content")} value={breakdown} onChange={setBreakdown} options={kinds.map(([value, key]) => ({ value, text: say(key) }))} />
    </ExportDialog>
  );
}
