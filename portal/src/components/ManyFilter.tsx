/** A filter that takes several values at once: a list of checkboxes behind a button. */
import { useState } from "react";
import { useSay } from "../lib/i18n";
import type { Option } from "./Filters";
import { Fold } from "./Fold";

export function ManyFilter({ label, options, picked, pick }: { label: string; options: Option[]; picked: string[]; pick: (values: string[]) => void }) {
  const say = useSay();
  const [search, setSearch] = useState("");
  const shownWord = picked.length ? say("n_chosen", { count: picked.length }) : say("all");
  const all = [...options, ...picked.filter((value) => !options.some((option) => option.value === value)).map((value) => ({ value, text: value }))];
  const shown = all.filter((option) => option.text.toLowerCase().includes(search.toLowerCase())).slice(0, 200);
  return (
    <div className="lm-filter">
      <span>{label}</span>
      <Fold label={`${label}: ${shownWord}`} shown={shownWord}>
        {all.length > 8 && <input type="search" className="lm-input" aria-label={say("search")} value={search} onChange={(event) => setSearch(event.target.value)} />}
        {shown.map((option) => (
          <label key={option.value}>
            <input
              type="checkbox"
              checked={picked.includes(option.value)}
              onChange={(event) => pick(event.target.checked ? [...picked, option.value] : picked.filter((value) => value !== option.value))}
            />
            <span>{option.text}</span>
          </label>
        ))}
        {shown.length === 0 && <span>{say("nothing_fits")}</span>}
      </Fold>
    </div>
  );
}
