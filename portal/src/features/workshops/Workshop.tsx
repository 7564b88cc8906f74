/** The live board of a workshop: asked for every five seconds, with the age of what is shown, and what organisers can do. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useEffect, useState } from "react";
import { useParams, useSearchParams } from "react-router";
import { Page } from "../../components/Page";
import { Loaded } from "../../components/States";
import { Status } from "../../components/Status";
import { useGet, type Reply } from "../../lib/api";
import { ago, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { Actions } from "./Actions";
import { Figures } from "./Figures";
import { SeatTable } from "./SeatTable";
import "../../components/workshops.css";

export type Event = Reply<"/api/v1/workshops/{guid}", "get">;
export type Board = Reply<"/api/v1/workshops/{guid}/board", "get">;
const EVERY_MS = 5_000;
const OLD_AFTER_S = 15;

export default function Workshop() {
  const { id = "" } = useParams();
  const say = useSay();
  const [params, setParams] = useSearchParams();
  const isProjector = params.get("view") === "projector";
  const event = useGet("/api/v1/workshops/{guid}", { path: { guid: id } });
  const hasEnded = event.data?.state === "ended";
  const board = useGet("/api/v1/workshops/{guid}/board", { path: { guid: id } }, { refetchInterval: hasEnded ? false : EVERY_MS });
  const held = event.data;
  const turn = () => setParams(isProjector ? {} : { view: "projector" });
  return (
    <Page
      title={held ? (held.title ?? held.guid) : say("workshop")}
      subtitle={held?.description || say("board_subtitle")}
      crumb={{ to: "/workshops", text: say("workshops") }}
      labels={board.data && <Status value={board.data.state} />}
      actions={
        held && (
          <>
            {held.may_run && !isProjector && <Actions event={held} />}
            <Button variant="secondary" onClick={turn}>
              {say(isProjector ? "leave_projector" : "projector")}
            </Button>
          </>
        )
      }
    >
      <Loaded query={event} rows={3}>
        {(shown) => (
          <div className={isProjector ? "lm-stack lm-projector" : "lm-stack"}>
            {shown.claim_mode === null && <p className="lm-banner lm-info">{say("of_a_catalogue")}</p>}
            {shown.announcement && <p className="lm-banner lm-info">{shown.announcement}</p>}
            <p className="lm-subtle">
              {moment(shown.starts_at ?? shown.created_at, shown.time_zone ?? undefined)} – {shown.ends_at ? `${moment(shown.ends_at, shown.time_zone ?? undefined)} (${ago(shown.ends_at)})` : say("never")}
              {shown.time_zone && ` · ${shown.time_zone}`}
            </p>
            <Loaded query={board} rows={6}>
              {(found) => (
                <>
                  <Age at={board.dataUpdatedAt} stopped={hasEnded} />
                  <Figures board={found} />
                  {!isProjector && <SeatTable board={found} event={shown} />}
                </>
              )}
            </Loaded>
          </div>
        )}
      </Loaded>
    </Page>
  );
}

/** Says when figures are too old to be trusted. */
function Age({ at, stopped }: { at: number; stopped: boolean }) {
  const say = useSay();
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setSeconds(Math.round((Date.now() - at) / 1000)), 1000);
    return () => clearInterval(timer);
  }, [at]);
  if (stopped || seconds < OLD_AFTER_S) return null;
  return (
    <p className="lm-banner lm-warning" role="alert">
      {say("data_is_old", { seconds })}
    </p>
  );
}
