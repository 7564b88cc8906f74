/** Who has which seat, and how do they get on? Searched and paged here: the board brings all of them at once. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { DataTable } from "../../components/DataTable";
import { Confirm } from "../../components/Dialog";
import { Filter, Search, Toolbar } from "../../components/Filters";
import { Meter } from "../../components/Meter";
import { Status } from "../../components/Status";
import { useSend } from "../../lib/api";
import { saveCsv } from "../../lib/csv";
import { ago, count, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useListState } from "../../lib/listState";
import { tell } from "../../lib/toasts";
import type { Board, Event } from "./Workshop";

type Seat = Board["people"][number];
const STATES = ["active", "quiet", "stuck", "free"] as const;

const ACTS = { free: "free_seat", replace: "replace_key", remove: "remove_seat" } as const;

export function SeatTable({ board, event }: { board: Board; event: Event }) {
  const say = useSay();
  const list = useListState();
  const free = useSend("post", "/api/v1/workshops/{guid}/seats/{user}/free");
  const replace = useSend("post", "/api/v1/workshops/{guid}/seats/{user}/replace-key");
  const remove = useSend("delete", "/api/v1/workshops/{guid}/seats/{user}");
  const [open, setOpen] = useState<{ act: keyof typeof ACTS; seat: Seat } | null>(null);
  const wanted = list.search.toLowerCase();
  const fitting = board.people.filter(
    (seat) => (!list.filters["state"] || seat.state === list.filters["state"]) && [seat.user, seat.label, seat.nickname].some((name) => name?.toLowerCase().includes(wanted) || wanted === ""),
  );
  const page = fitting.slice((list.page - 1) * list.limit, list.page * list.limit);
  const query = {
    data: { data: page, pagination: { page: list.page, limit: list.limit, total: fitting.length, total_pages: Math.ceil(fitting.length / list.limit) } },
    error: null,
    isFetching: false,
    refetch: () => undefined,
  };
  const may = event.may_run && board.state !== "ended";
  const sends = { free, replace, remove };
  const act = async (seat: Seat, what: keyof typeof ACTS) => {
    await sends[what].mutateAsync({ path: { guid: event.guid, user: seat.user } });
    tell("success", say("saved"));
  };
  const table = () =>
    saveCsv(event.guid, [
      ["seat", "label", "nickname", "state", "claimed_at", "last_call_at", "calls", "errors", "spent_nano"],
      ...board.people.map((seat) => [seat.user, seat.label, seat.nickname, seat.state, seat.claimed_at, seat.last_call_at, seat.calls, seat.errors, seat.spent_nano]),
    ]);
  return (
    <section aria-label={say("step_seats")}>
      <Toolbar search={<Search list={list} label={say("search_seats")} />} end={<Button variant="secondary" onClick={table}>{say("download_csv")}</Button>}>
        <Filter list={list} name="state" label={say("state")} options={STATES.map((value) => ({ value, text: say(`status_${value}`) }))} />
      </Toolbar>
      <DataTable<Seat>
        caption={say("step_seats")}
        query={query}
        list={list}
        rowKey={(seat) => seat.user}
        empty={{ title: say("no_seats_yet") }}
        columns={[
          { title: say("seat"), cell: (seat) => seat.user },
          { title: say("holder"), cell: (seat) => [seat.nickname, seat.label].filter(Boolean).join(" · ") || "–" },
          { title: say("state"), cell: (seat) => <Status value={seat.is_blocked ? "blocked" : seat.state} /> },
          { title: say("claimed"), cell: (seat) => (seat.claimed_at ? <span title={moment(seat.claimed_at)}>{ago(seat.claimed_at)}</span> : "–") },
          { title: say("last_call"), cell: (seat) => (seat.last_call_at ? <span title={moment(seat.last_call_at)}>{ago(seat.last_call_at)}</span> : say("not_yet")) },
          { title: say("calls"), number: true, cell: (seat) => count(seat.calls) },
          { title: say("errors_lately"), number: true, cell: (seat) => <span className={seat.errors > 0 ? "lm-bad" : ""}>{count(seat.errors)}</span> },
          { title: say("spend"), cell: (seat) => <Meter used={seat.spent_nano} limit={seat.budget_nano} label={say("spend")} /> },
        ]}
        {...(may
          ? {
              actions: (seat: Seat) =>
                seat.state === "free"
                  ? [{ title: say("remove_seat"), isDanger: true, onClick: () => setOpen({ act: "remove", seat }) }]
                  : [
                      { title: say("replace_key"), onClick: () => setOpen({ act: "replace", seat }) },
                      { title: say("free_seat"), isDanger: true, onClick: () => setOpen({ act: "free", seat }) },
                    ],
            }
          : {})}
      />
      {open && (
        <Confirm
          title={`${say(ACTS[open.act])}: ${open.seat.user}`}
          text={say(`${ACTS[open.act]}_text`, { name: open.seat.nickname ?? open.seat.user })}
          submit={say(ACTS[open.act])}
          close={() => setOpen(null)}
          act={() => act(open.seat, open.act)}
        />
      )}
    </section>
  );
}
