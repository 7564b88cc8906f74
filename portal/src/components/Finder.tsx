/** Who or what is meant, out of thousands? A search whose finds can be ticked; what was chosen stays in sight. */
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { useEffect, useId, useState } from "react";
import { useGet, type PathWith, type Reply } from "../lib/api";
import { useSay } from "../lib/i18n";
import { Check } from "./fields";
import { Failure } from "./States";

const PAUSE_MS = 250;
const SHOWN = 8;
/** Of hundreds that were chosen the last ones stand here; others are found again by searching. */
const LABELS = 20;

export interface Found {
  id: string;
  name: string;
  note?: string | null | undefined;
}

interface FinderProps<P extends PathWith<"get">> {
  label: string;
  path: P;
  read: (row: Row<P>) => Found;
  chosen: Found[];
  choose: (chosen: Found[]) => void;
  /** Only one: another choice takes its place. */
  one?: boolean;
  error?: string | undefined;
}

type Row<P extends PathWith<"get">> = Reply<P, "get"> extends { data: (infer R)[] } ? R : never;

export function Finder<P extends PathWith<"get">>({ label, path, read, chosen, choose, one, error }: FinderProps<P>) {
  const say = useSay();
  const id = useId();
  const [text, setText] = useState("");
  const [asked, setAsked] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text.trim()), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const found = useGet(path, { query: { limit: SHOWN, ...(asked ? { search: asked } : {}) } as never }, { keep: true });
  const rows = ((found.data as { data?: Row<P>[] } | undefined)?.data ?? []).map(read);
  const tick = (row: Found, on: boolean) => choose(on ? [...(one ? [] : chosen), row] : chosen.filter((held) => held.id !== row.id));
  return (
    <div className={error ? "lm-field lm-invalid" : "lm-field"}>
      <label htmlFor={id}>{label}</label>
      <input id={id} type="search" className="lm-input" value={text} maxLength={200} autoComplete="off" aria-invalid={error ? true : undefined} aria-describedby={error ? `${id}-error` : undefined} onChange={(event) => setText(event.target.value)} />
      {found.error ? (
        <Failure error={found.error} retry={() => void found.refetch()} />
      ) : (
        <div className="lm-picks" role="group" aria-label={label}>
          {rows.map((row) => (
            <Check key={row.id} label={row.note ? `${row.name} (${row.note})` : row.name} checked={chosen.some((held) => held.id === row.id)} onChange={(on) => tick(row, on)} />
          ))}
          {found.data && rows.length === 0 && <span className="lm-subtle">{say("nothing_fits")}</span>}
        </div>
      )}
      {chosen.length > 0 && (
        <span className="lm-labels">
          {chosen.length > LABELS && <span className="lm-subtle">{say("n_chosen", { count: chosen.length })}</span>}
          {chosen.slice(-LABELS).map((held) => (
            <Label key={held.id} isCompact onClose={() => tick(held, false)} closeBtnAriaLabel={say("remove_what", { what: held.name })}>
              {held.name}
            </Label>
          ))}
        </span>
      )}
      {error && (
        <small id={`${id}-error`} className="lm-bad" role="alert">
          {error}
        </small>
      )}
    </div>
  );
}
