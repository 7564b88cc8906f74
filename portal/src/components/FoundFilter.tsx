/** A filter by one of thousands: the server searches while somebody types; what is chosen is called by its name. */
import { useEffect, useState } from "react";
import { useSay } from "../lib/i18n";
import type { ListState } from "../lib/listState";
import type { Found } from "./Finder";
import { Failure } from "./States";
import { Fold } from "./Fold";

const PAUSE_MS = 250;

interface FoundFilterProps {
  list: ListState;
  name: string;
  label: string;
  /** The first few that fit; asked only while the filter is open. */
  useFound: (search: string, isOpen: boolean) => { rows: Found[] | undefined; error: unknown; refetch: () => unknown };
  /** What an address calls by its id alone. */
  useName: (id: string) => string | undefined;
}

export function FoundFilter({ list, name, label, useFound, useName }: FoundFilterProps) {
  const say = useSay();
  const [text, setText] = useState("");
  const [asked, setAsked] = useState("");
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text.trim()), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const value = list.filters[name] ?? "";
  const chosen = useName(value) ?? value;
  const found = useFound(asked, isOpen);
  const rows = [...(value ? [{ id: value, name: chosen }] : []), ...(found.rows ?? []).filter((row) => row.id !== value)];
  return (
    <div className="lm-filter">
      <span>{label}</span>
      <Fold label={`${label}: ${value ? chosen : say("all")}`} shown={value ? chosen : say("all")} onOpen={setOpen}>
        <input type="search" className="lm-input" aria-label={`${label}: ${say("search")}`} value={text} maxLength={200} autoComplete="off" onChange={(event) => setText(event.target.value)} />
        {found.error ? (
          <Failure error={found.error} retry={() => void found.refetch()} />
        ) : (
          <div role="radiogroup" aria-label={label} className="lm-stack">
            <label>
              <input type="radio" name={name} checked={!value} onChange={() => list.filter(name, "")} />
              <span>{say("all")}</span>
            </label>
            {rows.map((row) => (
              <label key={row.id}>
                <input type="radio" name={name} checked={row.id === value} onChange={() => list.filter(name, row.id)} />
                <span>{row.note ? `${row.name} (${row.note})` : row.name}</span>
              </label>
            ))}
            <span role="status" className="lm-subtle">
              {found.rows?.length === 0 ? say("nothing_fits") : ""}
            </span>
          </div>
        )}
      </Fold>
    </div>
  );
}
