/** A filter for what is above a number; it waits until the person pauses. */
import { useEffect, useState, type ComponentType } from "react";
import type { ListState } from "../../lib/listState";

const PAUSE_MS = 400;

/** Of an address, which anybody can write. */
export const positive = (written: string | undefined) => (Number(written) > 0 ? Math.trunc(Number(written)) : null);

interface AboveProps {
  list: ListState;
  name: string;
  label: string;
  field: ComponentType<{ label: string; value: number | null; onChange: (value: number | null) => void }>;
}

export function Above({ list, name, label, field: Field }: AboveProps) {
  const asked = positive(list.filters[name]);
  const [typed, setTyped] = useState<{ over: number | null; value: number | null } | null>(null);
  // "Back" and "clear filters" change the address: what was typed over another one is gone then.
  const value = typed && typed.over === asked ? typed.value : asked;
  useEffect(() => {
    if (value === asked) return undefined;
    const timer = setTimeout(() => list.filter(name, value ? String(value) : ""), PAUSE_MS);
    return () => clearTimeout(timer);
  });
  return <Field label={label} value={value} onChange={(changed) => setTyped({ over: asked, value: changed })} />;
}
