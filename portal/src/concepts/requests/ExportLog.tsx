/** The request log as a file of the server's, with the filters of the page. */
import { ExportDialog } from "../../components/ExportDialog";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";

export function ExportLog({ query }: { query: Record<string, string> }) {
  const say = useSay();
  const may = useMay();
  if (!may(query["scope"] === "all" ? "admin:usage:export" : "usage:export")) return null;
  return (
    <ExportDialog title={say("export_requests")} path="/api/v1/requests/export" query={query}>
      <p>{say("export_requests_text")}</p>
    </ExportDialog>
  );
}
