/** Of what do I want to hear, and where? */
import { useState } from "react";
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Card } from "../../components/Card";
import { Loaded } from "../../components/States";
import { eventKey } from "../../concepts/notifications/Items";
import { useGet, useSend, type Reply } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { tell } from "../../lib/toasts";

type Held = Reply<"/api/v1/me/notification-preferences", "get">;

export function Wishes() {
  const say = useSay();
  const found = useGet("/api/v1/me/notification-preferences");
  return (
    <Card title={say("notifications")} wide>
      <Loaded query={found}>{(held) => <Table key={JSON.stringify(held)} held={held} />}</Loaded>
    </Card>
  );
}

function Table({ held }: { held: Held }) {
  const say = useSay();
  const put = useSend("put", "/api/v1/me/notification-preferences");
  const [events, setEvents] = useState(held.events);
  const save = () => put.mutateAsync({ body: { events } as never }).then(() => tell("success", say("saved")), (error: unknown) => tell("danger", say("not_saved"), error));
  const cell = (event: string, channel: "inbox" | "email") => {
    const wish = events[event]!;
    return (
      <td data-label={say(channel)}>
        <input type="checkbox" aria-label={`${say(eventKey(event))}: ${say(channel)}`} checked={wish[channel] ?? true} onChange={(change) => setEvents({ ...events, [event]: { ...wish, [channel]: change.target.checked } })} />
      </td>
    );
  };
  return (
    <>
      <p className="lm-subtle">{say("wishes_text")}</p>
      <div className="lm-scroll" tabIndex={0} role="region" aria-label={say("notifications")}>
        <table className="lm-plain">
          <thead>
            <tr>
              <th scope="col">{say("event")}</th>
              <th scope="col">{say("inbox")}</th>
              <th scope="col">{say("email")}</th>
            </tr>
          </thead>
          <tbody>
            {Object.keys(events).map((event) => (
              <tr key={event}>
                <th scope="row" data-label={say("event")}>
                  {say(eventKey(event))}
                </th>
                {cell(event, "inbox")}
                {cell(event, "email")}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div>
        <Button isLoading={put.isPending} isDisabled={JSON.stringify(events) === JSON.stringify(held.events)} onClick={() => void save()}>
          {say("save")}
        </Button>
      </div>
    </>
  );
}
