/** A list that the server searches, sorts and pages: rows with labels on phones, old rows dimmed while new ones load. */
import { ActionsColumn, Table, Tbody, Td, Th, Thead, Tr, type IAction } from "@patternfly/react-table";
import { MenuToggle } from "@patternfly/react-core/dist/esm/components/MenuToggle";
import EllipsisVIcon from "@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon";
import type { ReactNode } from "react";
import { useSay } from "../lib/i18n";
import type { ListState } from "../lib/listState";
import { Pager, type Pagination } from "./Pager";
import { sortOf } from "./sorting";
import { Empty, Failure, Loading } from "./States";
import { Button } from "@patternfly/react-core/dist/esm/components/Button";

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ReactNode;
  /** The field that the server sorts by. */
  sort?: string;
  /** The first click puts the highest first. */
  highestFirst?: boolean;
  number?: boolean;
}

interface ListQuery<Row> {
  data: { data: Row[]; pagination: Pagination } | undefined;
  error: unknown;
  isFetching: boolean;
  refetch: () => unknown;
}

export interface DataTableProps<Row> {
  caption: string;
  columns: Column<Row>[];
  query: ListQuery<Row>;
  list: ListState;
  rowKey: (row: Row) => string;
  rowName?: (row: Row) => string;
  actions?: (row: Row) => IAction[];
  empty: { title: string; text?: string; action?: ReactNode };
  select?: { picked: ReadonlySet<string>; can: (row: Row) => boolean; pick: (row: Row, on: boolean) => void };
}

export function DataTable<Row>(props: DataTableProps<Row>) {
  const { query, list, empty } = props;
  const say = useSay();
  if (query.error && !query.data) return <Failure error={query.error} retry={() => void query.refetch()} />;
  if (!query.data) return <Loading rows={8} />;
  if (query.data.data.length === 0)
    return list.isNarrowed || list.page > 1 ? (
      <Empty title={say("nothing_fits")} action={<Button variant="secondary" onClick={list.clear}>{say("clear_filters")}</Button>} />
    ) : (
      <Empty {...empty} />
    );
  return (
    <div className={query.isFetching ? "lm-list lm-busy" : "lm-list"} aria-busy={query.isFetching}>
      <Pager list={list} pagination={query.data.pagination} />
      <Rows {...props} rows={query.data.data} />
      {query.data.data.length > 15 && <Pager list={list} pagination={query.data.pagination} quiet />}
    </div>
  );
}

function Rows<Row>({ rows, caption, columns, list, rowKey, rowName, actions, select }: DataTableProps<Row> & { rows: Row[] }) {
  const say = useSay();
  return (
    <Table aria-label={caption} variant="compact">
      <Thead>
        <Tr>
          {select && <Th screenReaderText={say("select")} />}
          {columns.map((column, index) => (
            <Th key={column.title} {...sortOf(columns, index, list)} modifier="nowrap" className={column.number ? "lm-number" : ""}>
              {column.title}
            </Th>
          ))}
          {actions && <Th screenReaderText={say("actions")} />}
        </Tr>
      </Thead>
      <Tbody>
        {rows.map((row) => {
          const items = actions?.(row) ?? [];
          const name = rowName?.(row) ?? rowKey(row);
          return (
            <Tr key={rowKey(row)}>
              {select && (
                <Td className="pf-v6-c-table__check">
                  {/* not the table's own way to select: it says "Select row 0", in every language */}
                  <input
                    type="checkbox"
                    aria-label={say("select_item", { name })}
                    checked={select.picked.has(rowKey(row))}
                    disabled={!select.can(row)}
                    onChange={(event) => select.pick(row, event.target.checked)}
                  />
                </Td>
              )}
              {columns.map((column, index) => {
                const Cell = index === 0 ? Th : Td;
                return (
                  <Cell key={column.title} dataLabel={column.title} {...(index === 0 ? { scope: "row" } : {})} className={column.number ? "lm-number" : ""}>
                    {column.cell(row)}
                  </Cell>
                );
              })}
              {actions && (
                <Td isActionCell>
                  {items.length > 0 && <RowActions items={items} label={say("actions_for", { name })} />}
                </Td>
              )}
            </Tr>
          );
        })}
      </Tbody>
    </Table>
  );
}

function RowActions({ items, label }: { items: IAction[]; label: string }) {
  return (
    <ActionsColumn
      items={items}
      popperProps={{ position: "right", appendTo: () => document.body }}
      actionsToggle={({ onToggle, isOpen, isDisabled, toggleRef }) => (
        <MenuToggle ref={toggleRef} variant="plain" icon={<EllipsisVIcon />} aria-label={label} onClick={onToggle} isExpanded={isOpen} isDisabled={isDisabled ?? false} />
      )}
    />
  );
}
