/** How does a long log go on? Pages by cursor: "more" adds the next one. */
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { ApiError, call, type Given, type PathWith, type Reply } from "./api";

export function useCursorList<P extends PathWith<"get">, Row>(
  where: P,
  query: Record<string, unknown>,
  read: (reply: Reply<P, "get">) => { rows: Row[]; next: string | null | undefined },
  path?: Given<P, "get">["path"],
) {
  const found = useInfiniteQuery<{ rows: Row[]; next: string | null | undefined }, ApiError>({
    queryKey: [where, "log", path, query],
    initialPageParam: "",
    queryFn: async ({ pageParam, signal }) => {
      const given = { path, query: pageParam ? { ...query, cursor: pageParam } : query, signal } as unknown as Given<P, "get">;
      return read(await call("get", where, given));
    },
    getNextPageParam: (page) => page.next || undefined,
    placeholderData: keepPreviousData,
  });
  return { ...found, rows: found.data?.pages.flatMap((page) => page.rows) };
}
