/** Which columns does a table have? A person chooses them; the choice is kept in this browser, for each table. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState, type ReactNode } from "react";
import { useSay } from "../lib/i18n";
import type { Column } from "./DataTable";
import { FormDialog } from "./Dialog";

const STORED = "litemaas.columns.";

export interface ManagedColumn<Row> extends Column<Row> {
  id: string;
  /** It is always there. */
  isFixed?: boolean;
  /** It is there only where somebody has chosen it. */
  isExtra?: boolean;
}

function chosenBefore(table: string): string[] | null {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(STORED + table) ?? "null");
    return Array.isArray(found) ? found.filter((id) => typeof id === "string") : null;
  } catch {
    return null;
  }
}

function remember(table: string, ids: string[] | null): void {
  try {
    if (ids) localStorage.setItem(STORED + table, JSON.stringify(ids));
    else localStorage.removeItem(STORED + table);
  } catch {
    // Not remembered: the usual columns next time.
  }
}

/** The columns that are shown, in their order, and the button for choosing them. */
export function useColumns<Row>(table: string, columns: ManagedColumn<Row>[]): { shown: ManagedColumn<Row>[]; manage: ReactNode } {
  const say = useSay();
  const [chosen, setChosen] = useState(() => chosenBefore(table));
  const [isOpen, setOpen] = useState(false);
  const usual = columns.filter((column) => !column.isFixed && !column.isExtra).map(({ id }) => id);
  const ids = chosen ?? usual;
  const choose = (wanted: string[]) => {
    const isUsual = wanted.length === usual.length && usual.every((id) => wanted.includes(id));
    remember(table, isUsual ? null : wanted);
    setChosen(isUsual ? null : wanted);
  };
  return {
    shown: columns.filter((column) => column.isFixed || ids.includes(column.id)),
    manage: (
      <>
        <Button variant="secondary" onClick={() => setOpen(true)}>
          {say("manage_columns")}
        </Button>
        {isOpen && <ColumnDialog columns={columns.filter((column) => !column.isFixed)} chosen={ids} usual={usual} choose={choose} close={() => setOpen(false)} />}
      </>
    ),
  };
}

interface ColumnDialogProps {
  columns: { id: string; title: string }[];
  chosen: string[];
  usual: string[];
  choose: (ids: string[]) => void;
  close: () => void;
}

function ColumnDialog({ columns, chosen, usual, choose, close }: ColumnDialogProps) {
  const say = useSay();
  const [picked, setPicked] = useState(chosen);
  const send = () => {
    choose(columns.map(({ id }) => id).filter((id) => picked.includes(id)));
    close();
    return Promise.resolve();
  };
  return (
    <FormDialog title={say("manage_columns")} submit={say("save")} close={close} send={send} busy={false} error={null} size="small">
      <p>{say("manage_columns_text")}</p>
      <fieldset className="lm-bare lm-columns">
        <legend className="lm-subtle">{say("columns")}</legend>
        {columns.map(({ id, title }) => (
          <label key={id}>
            <input
              type="checkbox"
              checked={picked.includes(id)}
              onChange={(event) => setPicked(event.target.checked ? [...picked, id] : picked.filter((one) => one !== id))}
            />{" "}
            {title}
          </label>
        ))}
      </fieldset>
      <Button variant="link" isInline onClick={() => setPicked(usual)}>
        {say("usual_columns")}
      </Button>
    </FormDialog>
  );
}
