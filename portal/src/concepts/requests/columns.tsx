/** What the request log can show of each call in its table; what is not usual there is chosen, and all of it is among the details. */
import type { ManagedColumn } from "../../components/ManageColumns";
import { count, milliseconds, moment, money } from "../../lib/format";
import type { useSay } from "../../lib/i18n";
import { Outcome, type Row } from "./Outcome";

type Say = ReturnType<typeof useSay>;

/** ``person``, ``team``: the names of ids. */
export function columnsOf(say: Say, ofEverybody: boolean, person: (id: string) => string, team: (id: string) => string): ManagedColumn<Row>[] {
  const users: ManagedColumn<Row>[] = [{ id: "user", title: say("user"), cell: (row) => (row.user_id ? person(row.user_id) : "–") }];
  return [
    { id: "time", title: say("time"), isFixed: true, sort: "started_at", highestFirst: true, cell: (row) => <span className="lm-once">{moment(row.started_at)}</span> },
    {
      id: "model",
      title: `${say("model")} / ${say("api_key")}`,
      isFixed: true,
      cell: (row) => (
        <>
          {row.model}
          <div className="lm-subtle lm-clip">{row.key_alias ?? "–"}</div>
        </>
      ),
    },
    ...(ofEverybody ? users : []),
    { id: "team", title: say("team"), isExtra: true, cell: (row) => (row.team_id ? team(row.team_id) : "–") },
    { id: "endpoint", title: say("endpoint"), isExtra: true, cell: (row) => <span className="lm-long">{row.endpoint}</span> },
    { id: "source", title: say("source"), cell: (row) => say(`source_${row.source}`) },
    { id: "result", title: say("result"), cell: (row) => <Outcome row={row} /> },
    { id: "tokens", title: say("tokens"), number: true, cell: (row) => count(row.prompt_tokens + row.completion_tokens) },
    { id: "prompt_tokens", title: say("prompt_tokens"), isExtra: true, number: true, cell: (row) => count(row.prompt_tokens) },
    { id: "completion_tokens", title: say("completion_tokens"), isExtra: true, number: true, cell: (row) => count(row.completion_tokens) },
    { id: "cost", title: say("cost"), number: true, sort: "cost_nano", highestFirst: true, cell: (row) => money(row.cost_nano) },
    { id: "streaming", title: say("streaming"), isExtra: true, cell: (row) => say(row.stream ? "yes" : "no") },
    { id: "ttft", title: say("ttft"), number: true, cell: (row) => milliseconds(row.ttft_us == null ? null : row.ttft_us / 1000) },
    { id: "duration", title: say("duration"), number: true, sort: "duration_us", highestFirst: true, cell: (row) => milliseconds(row.duration_us / 1000) },
    { id: "request_id", title: say("request_id"), isExtra: true, cell: (row) => <code className="lm-long">{row.request_id}</code> },
  ];
}
