/** The request log as a file of the server's, with the filters of the page. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { FormDialog } from "../../components/Dialog";
import { Choice } from "../../components/fields";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";
import { exportAddress } from "../usage/ExportButton";

export function ExportLog({ query }: { query: Record<string, string> }) {
  const say = useSay();
  const may = useMay();
  const [open, setOpen] = useState(false);
  const [format, setFormat] = useState("csv");
  if (!may(query["scope"] === "all" ? "admin:usage:export" : "usage:export")) return null;
  const save = async () => {
    location.assign(exportAddress("/api/v1/requests/export", { ...query, format }));
    setOpen(false);
  };
  return (
    <>
      <Button variant="secondary" onClick={() => setOpen(true)}>
        {say("export")}
      </Button>
      {open && (
        <FormDialog title={say("export_requests")} submit={say("export")} close={() => setOpen(false)} send={save} busy={false} error={null} size="small">
          <p>{say("export_requests_text")}</p>
          <Choice label={say("format")} value={format} onChange={setFormat} options={["csv", "json"].map((value) => ({ value, text: value.toUpperCase() }))} />
        </FormDialog>
      )}
    </>
  );
}
