/** A log by cursor: rows open a side panel, or a dialog, with everything that is known of them. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useSay } from "../lib/i18n";
import type { ListState } from "../lib/listState";
import { Beside } from "./Beside";
import type { Column } from "./DataTable";
import { Dialog } from "./Dialog";
import { sortOf } from "./sorting";
import { Empty, Failure, Loading } from "./States";

interface LogTableProps<Row> {
  caption: string;
  columns: Column<Row>[];
  found: { rows: Row[] | undefined; error: unknown; refetch: () => unknown; hasNextPage: boolean; isFetchingNextPage: boolean; isFetching: boolean; fetchNextPage: () => unknown };
  rowKey: (row: Row) => string;
  empty: string;
  /** What to do next where there is nothing. */
  next?: ReactNode;
  title: (row: Row) => string;
  details: (row: Row) => ReactNode;
  /** Shows them in a panel beside the table, so that one row after another can be looked at. */
  isBeside?: boolean;
  /** Where its order stands, if it can be sorted; and which one it has if nobody sorts it. */
  order?: { list: ListState; usual: { sort: string; order: "asc" | "desc" } };
}

export function LogTable<Row>({ caption, columns, found, rowKey, empty, next, title, details, isBeside, order }: LogTableProps<Row>) {
  const say = useSay();
  const [open, setOpen] = useState<Row | null>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (open) heading.current?.focus();
  }, [open]);
  if (found.error && !found.rows) return <Failure error={found.error} retry={() => void found.refetch()} />;
  if (!found.rows) return <Loading rows={8} />;
  if (found.rows.length === 0) return <Empty title={empty} action={next} />;
  const isWaiting = found.isFetching && !found.isFetchingNextPage;
  const isOpen = (row: Row) => open !== null && rowKey(open) === rowKey(row);
  const close = () => {
    opener.current?.focus();
    setOpen(null);
  };
  const table = (
    <div className={isWaiting ? "lm-list lm-busy" : "lm-list"} aria-busy={isWaiting}>
      <p role="status" className="lm-subtle">
        {say(found.hasNextPage ? "n_shown_more" : "n_shown_all", { count: found.rows.length })}
      </p>
      <Table aria-label={caption} variant="compact" className="lm-log">
        <Thead>
          <Tr>
            {columns.map((column, index) => (
              <Th key={column.title} {...(order ? sortOf(columns, index, order.list, order.usual) : {})} modifier="wrap" className={column.number ? "lm-number" : ""}>
                {column.title}
              </Th>
            ))}
            <Th screenReaderText={say("details")} />
          </Tr>
        </Thead>
        <Tbody>
          {found.rows.map((row) => (
            <Tr key={rowKey(row)} aria-current={(isBeside && isOpen(row)) || undefined}>
              {columns.map((column) => (
                <Td key={column.title} dataLabel={column.title} className={column.number ? "lm-number" : ""}>
                  {column.cell(row)}
                </Td>
              ))}
              <Td>
                <Button variant="link" isInline className="lm-once" ref={isOpen(row) ? opener : null} aria-label={say("details_of", { name: title(row) })} onClick={() => setOpen(row)}>
                  {say("details")}
                </Button>
              </Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
      {found.hasNextPage && (
        <Button variant="secondary" isLoading={found.isFetchingNextPage} onClick={() => found.fetchNextPage()}>
          {say("show_more")}
        </Button>
      )}
    </div>
  );
  if (isBeside)
    return (
      <Beside panel={open && { key: rowKey(open), title: say("details_of", { name: title(open) }), content: details(open) }} heading={heading} close={close} leave={() => setOpen(null)}>
        {table}
      </Beside>
    );
  return (
    <>
      {table}
      {open && (
        <Dialog title={title(open)} close={() => setOpen(null)} size="large">
          {details(open)}
        </Dialog>
      )}
    </>
  );
}
