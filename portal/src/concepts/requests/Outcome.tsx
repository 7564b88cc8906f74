/** How a call ended: its status, whether it got a kept answer, and the error's code. */
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { endOf, Status } from "../../components/Status";
import type { Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";

export type Row = Reply<"/api/v1/requests", "get">["data"][number];

/** A code may go on in the next line after each of its words; the table would not fit otherwise. */
const breakable = (code: string) => code.split("_").flatMap((word, place) => (place ? ["_", <wbr key={place} />, word] : [word]));

/** Of a call that got an answer of an earlier one, the gateway notes which. */
export const isKept = (row: Row) => "litemaas_cache_hit" in row.metadata;

export function Outcome({ row }: { row: Row }) {
  const say = useSay();
  return (
    <span className="lm-labels">
      <Status value={endOf(row.status)} /> {isKept(row) && <Label isCompact>{say("kept_answer")}</Label>} {row.error_code && <code>{breakable(row.error_code)}</code>}
    </span>
  );
}
