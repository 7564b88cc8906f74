/** What would the workshop cost at most, what else is on then, and have the models room for it? Asked of the server. */
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { Facts } from "../../components/Card";
import { Loaded } from "../../components/States";
import { ApiError, call, type Reply } from "../../lib/api";
import { count, moment, money } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { bodyOf, seatsOf, type Draft } from "./plan";

type Preview = Reply<"/api/v1/workshops/preview", "post">;
const COLOURS = { fits: "green", tight: "yellow", too_much: "red", unknown: "grey" } as const;

export function Review({ draft }: { draft: Draft }) {
  const say = useSay();
  const body = bodyOf(draft);
  const preview = useQuery<Preview, ApiError>({ queryKey: ["workshop-preview", body], queryFn: () => call("post", "/api/v1/workshops/preview", { body }) });
  const limit = (value: number | null) => (value === null ? say("no_limit") : count(value));
  return (
    <>
      <Facts
        facts={[
          [say("workshop_title"), draft.title],
          [say("organisers"), draft.organisers],
          [say("starts"), `${moment(body.starts_at, draft.zone)} (${draft.zone})`],
          [say("ends"), `${moment(body.ends_at, draft.zone)} (${draft.zone})`],
          [say("step_seats"), count(seatsOf(draft))],
          [say("how_to_claim"), say(`claim_${draft.claiming}`)],
          [say("models"), draft.models.join(", ")],
          [say("pot"), money(draft.pot_nano)],
          [say("seat_cap"), draft.seat_nano === null ? say("no_limit") : money(draft.seat_nano)],
          [say("rpm"), limit(draft.rpm)],
          [say("tpm"), limit(draft.tpm)],
          [say("parallel"), limit(draft.parallel)],
        ]}
      />
      <Loaded query={preview}>
        {(found) => (
          <>
            <p className="lm-banner lm-info" role="status">
              {say("costs_at_most_all", { cost: money(found.most_nano) })}
            </p>
            <h3>{say("room_on_models")}</h3>
            <ul className="lm-items">
              {found.models.map((room) => (
                <li key={room.model} className="lm-item">
                  <span className="lm-row">
                    <strong>{room.model}</strong>
                    <Label isCompact color={COLOURS[room.verdict]}>
                      {say(`verdict_${room.verdict}`)}
                    </Label>
                  </span>
                  <span>{room.parallel_cap === null ? say("room_uncapped", { wanted: room.wanted }) : say("room_capped", { wanted: room.wanted, cap: room.parallel_cap })}</span>
                  <span className="lm-subtle">{say("healthy_of", { healthy: room.healthy, all: room.deployments })}</span>
                </li>
              ))}
            </ul>
            <h3>{say("at_the_same_time")}</h3>
            {found.overlaps.length === 0 ? (
              <p className="lm-subtle">{say("nothing_else_on")}</p>
            ) : (
              <ul>
                {found.overlaps.map((other) => (
                  <li key={other.guid}>
                    <Link to={`/workshops/${encodeURIComponent(other.guid)}`}>{other.title ?? other.guid}</Link>{" "}
                    <span className="lm-subtle">
                      {other.starts_at && `${moment(other.starts_at, draft.zone)} – `}
                      {other.ends_at ? moment(other.ends_at, draft.zone) : say("never")} · {say("step_seats")}: {count(other.seats)}
                    </span>
                  </li>
                ))}
              </ul>
            )}
          </>
        )}
      </Loaded>
    </>
  );
}
