/** A plan that is kept on the server, to go on with on another day or another machine. */
import { useRef, useState } from "react";
import { useSend, type Reply } from "../../lib/api";
import { ifMatch } from "../../lib/versions";
import type { Draft } from "./plan";

export type Kept = Reply<"/api/v1/workshop-drafts/{draft_id}", "get">;

export function useKeptDraft(first: Kept | null, draft: Draft) {
  const make = useSend("post", "/api/v1/workshop-drafts");
  const replace = useSend("put", "/api/v1/workshop-drafts/{draft_id}");
  const remove = useSend("delete", "/api/v1/workshop-drafts/{draft_id}");
  const held = useRef<Kept | null>(first);
  const [last, setLast] = useState<Draft | null>(first && draft);
  const keep = async () => {
    const body = { title: draft.title.trim(), content: draft as never };
    const before = held.current;
    // Two tabs with the same draft: the later one is told, and loses nothing that it shows.
    const sending = before ? replace.mutateAsync({ path: { draft_id: before.id }, body, headers: ifMatch(before) }) : make.mutateAsync({ body });
    const answer = await sending.catch(() => null);
    if (answer === null) return;
    held.current = answer;
    setLast(draft);
  };
  /** The workshop is there; should this fail, the draft stays in the list, where it can be deleted. */
  const forget = () => {
    if (held.current) remove.mutate({ path: { draft_id: held.current.id } });
  };
  return { keep, forget, isKept: last === draft, isBusy: make.isPending || replace.isPending, error: make.error ?? replace.error };
}
