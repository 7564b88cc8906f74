/** The server's own export, with the filters of the page; the browser saves it, nothing is held in memory. */
import { useState } from "react";
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { FormDialog } from "../../components/Dialog";
import { Choice } from "../../components/fields";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import type { usageQuery } from "./Analytics";
import type { Key } from "../../lib/keys";

const CONTENTS: Record<string, Key> = { day: "per_day", model: "per_model", key: "per_key", user: "per_user", team: "per_team", provider: "per_provider" };

export function exportAddress(path: string, query: Record<string, string | number | boolean | string[] | null | undefined>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined && one !== null && one !== "") params.append(name, String(one));
  return `${path}?${params}`;
}

export function ExportButton({ query }: { query: ReturnType<typeof usageQuery> }) {
  const say = useSay();
  const may = useMay();
  const [open, setOpen] = useState(false);
  const [breakdown, setBreakdown] = useState("day");
  const [format, setFormat] = useState("csv");
  if (!may(query.scope === "all" ? "admin:usage:export" : "usage:export")) return null;
  const kinds = Object.entries(CONTENTS).filter(([kind]) => query.scope !== "me" || !["user", "team"].includes(kind));
  const save = async () => {
    location.assign(exportAddress("/api/v1/usage/export", { ...query, breakdown, format }));
    setOpen(false);
  };
  return (
    <>
      <Button variant="secondary" onClick={() => setOpen(true)}>
        {say("export")}
      </Button>
      {open && (
        <FormDialog title={say("export_usage")} submit={say("export")} close={() => setOpen(false)} send={save} busy={false} error={null} size="small">
          <p>{say("export_range", { from: query.start_date, to: query.end_date })}</p>
          <Choice label={say("content")} value={breakdown} onChange={setBreakdown} options={kinds.map(([value, key]) => ({ value, text: say(key) }))} />
          <Choice label={say("format")} value={format} onChange={setFormat} options={["csv", "json"].map((value) => ({ value, text: value.toUpperCase() }))} />
        </FormDialog>
      )}
    </>
  );
}
