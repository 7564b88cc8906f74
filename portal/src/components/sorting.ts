/** How does a column's head sort a list? The server does; the order stands in the address. */
import type { ThProps } from "@patternfly/react-table";
import type { ListState } from "../lib/listState";

interface Sorted {
  sort?: string;
  highestFirst?: boolean;
}

/** What the head of a column needs. ``usual``: the order of a list that nobody has sorted. */
export function sortOf(columns: Sorted[], index: number, list: ListState, usual?: { sort: string; order: "asc" | "desc" }): { sort?: NonNullable<ThProps["sort"]> } {
  if (!columns[index]?.sort) return {};
  const now = list.sort ? { sort: list.sort, order: list.order ?? ("asc" as const) } : usual;
  const sorted = now ? columns.findIndex((column) => column.sort === now.sort) : -1;
  return {
    sort: {
      columnIndex: index,
      sortBy: { defaultDirection: columns[index].highestFirst ? "desc" : "asc", ...(now && sorted >= 0 ? { index: sorted, direction: now.order } : {}) },
      onSort: (_, at, direction) => list.setSort(columns[at]?.sort ?? "", direction),
    },
  };
}
