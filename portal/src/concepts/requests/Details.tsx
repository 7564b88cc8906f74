/** Everything that is known of one call. */
import { Link } from "react-router";
import { Facts } from "../../components/Card";
import { Copyable } from "../../components/Copy";
import { count, milliseconds, moment, money } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { isKept, Outcome, type Row } from "./Outcome";

export function Details({ row, team }: { row: Row; team: string | null }) {
  const say = useSay();
  return (
    <div className="lm-stack">
      {row.error_message && (
        <div className="lm-failure">
          <strong>{say("why_blocked")}</strong>
          <p>{row.error_message}</p>
        </div>
      )}
      <Facts
        facts={[
          [say("time"), moment(row.started_at)],
          [say("model"), row.model],
          [say("api_key"), row.key_alias ?? "–"],
          [say("team"), team],
          [say("result"), <Outcome key="outcome" row={row} />],
          [say("kept_answer"), isKept(row) && say("kept_answer_text")],
          [say("http_status"), row.http_status],
          [say("endpoint"), row.endpoint],
          [say("prompt_tokens"), count(row.prompt_tokens)],
          [say("completion_tokens"), count(row.completion_tokens)],
          [say("total_tokens"), count(row.prompt_tokens + row.completion_tokens)],
          [say("pages"), row.pages > 0 && count(row.pages)],
          [say("cost"), money(row.cost_nano)],
          [say("ttft"), milliseconds(row.ttft_us == null ? null : row.ttft_us / 1000)],
          [say("duration"), milliseconds(row.duration_us / 1000)],
          [say("streaming"), row.stream ? say("yes") : say("no")],
          [say("source"), say(`source_${row.source}`)],
          [say("address"), row.client_ip],
          [say("request_id"), <Copyable key="id" text={row.request_id} label={say("request_id")} />],
        ]}
      />
      <p>
        <Link to={`/usage?models=${encodeURIComponent(encodeURIComponent(row.model))}`}>{say("usage_of", { name: row.model })}</Link>
      </p>
    </div>
  );
}
