/** What does a list show? Search, filters, order and page live in the address, so that "back" and links restore them. */
import { useCallback, useMemo } from "react";
import { useSearchParams } from "react-router";

export interface ListState {
  page: number;
  limit: number;
  search: string;
  sort: string | undefined;
  order: "asc" | "desc" | undefined;
  filters: Record<string, string>;
  /** Changes one filter and goes to page 1; an empty value removes it. */
  filter: (name: string, value: string) => void;
  setSearch: (text: string) => void;
  setPage: (page: number) => void;
  setLimit: (limit: number) => void;
  /** Goes to page 1; an empty sort is that of the server. */
  setSort: (sort: string, order?: "asc" | "desc") => void;
  clear: () => void;
  isNarrowed: boolean;
}

const OWN = new Set(["page", "limit", "search", "sort", "order"]);
/** Says where on its page a list stands, and narrows nothing. */
const PLACE = "tab";

export function useListState(defaults: { limit?: number; filters?: Record<string, string> } = {}): ListState {
  const [params, setParams] = useSearchParams();
  const usual = defaults.limit ?? 20;
  const change = useCallback(
    (changes: Record<string, string | null>) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          if (!("page" in changes)) after.delete("page");
          for (const [name, value] of Object.entries(changes))
            if (value === null || value === "") after.delete(name);
            else after.set(name, value);
          return after;
        },
        { replace: !("page" in changes) },
      ),
    [setParams],
  );
  return useMemo(() => {
    const filters: Record<string, string> = { ...defaults.filters };
    for (const [name, value] of params) if (!OWN.has(name)) filters[name] = value;
    const search = params.get("search") ?? "";
    return {
      page: Math.max(1, Number(params.get("page")) || 1),
      limit: Number(params.get("limit")) || usual,
      search,
      sort: params.get("sort") ?? undefined,
      order: (params.get("order") as "asc" | "desc" | null) ?? undefined,
      filters,
      filter: (name, value) => change({ [name]: value || (defaults.filters?.[name] ? "all" : null) }),
      setSearch: (text) => change({ search: text }),
      setPage: (page) => change({ page: page === 1 ? null : String(page) }),
      setLimit: (limit) => change({ limit: limit === usual ? null : String(limit) }),
      setSort: (sort, order) => change({ sort, order: (sort && order) || null }),
      clear: () => setParams((before) => [...before].filter(([name]) => name === PLACE), { replace: true }),
      isNarrowed: search !== "" || [...params.keys()].some((name) => !OWN.has(name) && name !== PLACE),
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- defaults are constants of the page
  }, [params, usual, change]);
}

/** The parameters that every list of the API knows, without those that are not set. */
export function listQuery(list: ListState, filters: string[] = []): Record<string, string | number> {
  const query: Record<string, string | number> = { page: list.page, limit: list.limit };
  if (list.search) query["search"] = list.search;
  if (list.sort) query["sort"] = list.sort;
  if (list.sort && list.order) query["order"] = list.order;
  for (const name of filters) if (list.filters[name] && list.filters[name] !== "all") query[name] = list.filters[name];
  return query;
}
