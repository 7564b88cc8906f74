/** Above a list: the search box, which waits until the person pauses, and the filters. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import FilterIcon from "@patternfly/react-icons/dist/esm/icons/filter-icon";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useSay } from "../lib/i18n";
import type { ListState } from "../lib/listState";

const PAUSE_MS = 250;

export function Search({ list, label }: { list: ListState; label?: string }) {
  const say = useSay();
  const [text, setText] = useState(list.search);
  const asked = useRef(list.search);
  const ask = (wanted: string) => {
    if (wanted === asked.current) return;
    asked.current = wanted;
    list.setSearch(wanted);
  };
  useEffect(() => {
    if (list.search !== asked.current) {
      asked.current = list.search;
      setText(list.search);
    }
  }, [list.search]);
  useEffect(() => {
    const timer = setTimeout(() => ask(text.trim()), PAUSE_MS);
    return () => clearTimeout(timer);
  });
  return (
    <input
      type="search"
      className="lm-input lm-search"
      placeholder={label ?? say("search")}
      aria-label={label ?? say("search")}
      value={text}
      maxLength={200}
      onChange={(event) => setText(event.target.value)}
      onKeyDown={(event) => event.key === "Enter" && ask(text.trim())}
    />
  );
}

export interface Option {
  value: string;
  text: string;
}

export function Filter({ list, name, label, options, all }: { list: ListState; name: string; label: string; options: Option[]; all?: string }) {
  const say = useSay();
  const value = list.filters[name] ?? "";
  const known = options.some((option) => option.value === value) || value === "" || value === "all";
  return (
    <label className="lm-filter">
      <span>{label}</span>
      <select className="lm-select" value={value === "all" ? "" : value} onChange={(event) => list.filter(name, event.target.value)}>
        <option value="">{all ?? say("all")}</option>
        {!known && <option value={value}>{value}</option>}
        <Choices options={options} />
      </select>
    </label>
  );
}

function Choices({ options }: { options: Option[] }) {
  return options.map((option) => (
    <option key={option.value} value={option.value}>
      {option.text}
    </option>
  ));
}

/** The order of a list without columns; `usual` is that of the server. */
export function SortChoice({ list, usual, options }: { list: ListState; usual: string; options: (Option & { order?: "asc" | "desc" })[] }) {
  const say = useSay();
  const choose = (value: string) => list.setSort(value, options.find((option) => option.value === value)?.order);
  return (
    <label className="lm-filter">
      <span>{say("sort_by")}</span>
      <select className="lm-select" value={list.sort ?? ""} onChange={(event) => choose(event.target.value)}>
        <option value="">{usual}</option>
        <Choices options={options} />
      </select>
    </label>
  );
}

/** On phones the filters hide behind a button. */
export function Toolbar({ search, children, end }: { search?: ReactNode; children?: ReactNode; end?: ReactNode }) {
  const say = useSay();
  const [open, setOpen] = useState(false);
  return (
    <div className="lm-toolbar">
      {search}
      {children && (
        <Button variant="secondary" className="lm-narrow" icon={<FilterIcon />} aria-expanded={open} onClick={() => setOpen(!open)}>
          {say("filters")}
        </Button>
      )}
      {children && <div className={open ? "lm-filters lm-open" : "lm-filters"}>{children}</div>}
      {end && <div className="lm-toolbar-end">{end}</div>}
    </div>
  );
}
