/** A button that asks for the format and saves the server's own export; the browser writes the file, nothing is held in memory. */
import { useState, type ReactNode } from "react";
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useSay } from "../lib/i18n";
import { FormDialog } from "./Dialog";
import { Choice } from "./fields";

export type ExportQuery = Record<string, string | number | boolean | string[] | null | undefined>;

export function exportAddress(path: string, query: ExportQuery): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined && one !== null && one !== "") params.append(name, String(one));
  return `${path}?${params}`;
}

/** `children`: what is asked besides the format. */
export function ExportDialog({ title, path, query, children }: { title: string; path: string; query: ExportQuery; children: ReactNode }) {
  const say = useSay();
  const [open, setOpen] = useState(false);
  const [format, setFormat] = useState("csv");
  const save = async () => {
    location.assign(exportAddress(path, { ...query, format }));
    setOpen(false);
  };
  return (
    <>
      <Button variant="secondary" onClick={() => setOpen(true)}>
        {say("export")}
      </Button>
      {open && (
        <FormDialog title={title} submit={say("export")} close={() => setOpen(false)} send={save} busy={false} error={null} size="small">
          {children}
          <Choice label={say("format")} value={format} onChange={setFormat} options={["csv", "json"].map((value) => ({ value, text: value.toUpperCase() }))} />
        </FormDialog>
      )}
    </>
  );
}
