/** The board's figures: seats, speed, pot, and what goes wrong. */
import { Card, Figure } from "../../components/Card";
import { Spark } from "../../components/Spark";
import { Meter } from "../../components/Meter";
import { ago, count, milliseconds, money, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import type { Board } from "./Workshop";

export function Figures({ board }: { board: Board }) {
  const say = useSay();
  const left = board.pot_nano === null ? null : Math.max(0, board.pot_nano - board.pot_spent_nano);
  const most = Math.max(...board.calls_per_minute);
  return (
    <>
      <div className="lm-figures lm-six">
        <Figure name={say("seats_claimed")} value={say("n_of_m", { n: count(board.claimed), m: count(board.seats) })} />
        <Figure name={say("active_now")} value={count(board.active)} />
        <Figure name={say("stuck_now")} value={<span className={board.stuck > 0 ? "lm-bad" : ""}>{count(board.stuck)}</span>} />
        <Figure name={say("requests_per_second")} value={count(board.requests_per_second)} />
        <Figure name={say("ttft_p50_p95")} value={`${milliseconds(board.ttft_p50_ms)} / ${milliseconds(board.ttft_p95_ms)}`} />
        <Figure
          name={say("pot_left")}
          value={left === null ? say("no_limit") : money(left)}
          note={
            board.state !== "ended" && left !== null && board.pot_spent_nano > 0 ? (
              <small className="lm-subtle" title={board.exhausted_at ? moment(board.exhausted_at) : undefined}>
                {board.exhausted_at ? say("pot_empty_when", { when: ago(board.exhausted_at) }) : say("pot_lasts")}
              </small>
            ) : null
          }
        />
      </div>
      <div className="lm-columns lm-three">
        <Card title={say("calls")}>
          <Spark values={board.calls_per_minute} label={say("calls_per_minute_of_hour", { most })} />
          <small className="lm-subtle">{say("calls_per_minute_of_hour", { most })}</small>
        </Card>
        <Card title={say("pot")}>
          <Meter used={board.pot_spent_nano} limit={board.pot_nano} label={say("pot")} />
        </Card>
        <Card title={say("errors_last_hour")}>
          {board.errors.length === 0 ? (
            <p className="lm-subtle">{say("none")}</p>
          ) : (
            <ul className="lm-items">
              {board.errors.map((error) => (
                <li key={error.code} className="lm-row">
                  <code>{error.code}</code>
                  <span>{count(error.calls)}</span>
                </li>
              ))}
            </ul>
          )}
        </Card>
      </div>
    </>
  );
}
