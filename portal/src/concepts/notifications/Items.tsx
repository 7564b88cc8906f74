/** Notifications as a list: what happened, to what, when; read, remove, go there. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Link } from "react-router";
import { useSend, type Reply } from "../../lib/api";
import { ago, moment } from "../../lib/format";
import { useSay, type Say } from "../../lib/i18n";
import type { Key } from "../../lib/keys";

export type Notice = Reply<"/api/v1/notifications", "get">["data"][number];
export const EVENTS = [
  "subscription.requested", "subscription.approved", "subscription.denied", "subscription.suspended", "subscription.resumed",
  "subscription.returned", "subscription.expired", "subscription.granted", "model.restricted", "model.deprecated", "model.retires",
  "model.retired", "budget.reached", "budget.soft", "quota.reached", "key.expires", "key.revealed", "key.changed", "key.grace_ends",
  "payloads.captured",
  "team.joined", "job.ended", "backup.failed", "ledger.check_failed", "webhook.disabled", "test",
];
export const eventKey = (event: string) => `event_${event.replaceAll(".", "_")}` as Key;

/** What the server may tell of one day, and nobody has a word for here, is shown as it is called there. */
export const eventWord = (say: Say, event: string) => (EVENTS.includes(event) ? say(eventKey(event)) : event);

const PLACES: Record<string, (id: string) => string> = {
  subscription: () => "/subscriptions",
  model: (id) => `/models/${id}`,
  key: (id) => `/api-keys/${id}`,
  budget: () => "/usage",
  user: () => "/usage",
  team: (id) => `/teams/${id}`,
  webhook: () => "/admin/settings/notifications",
  backup: () => "/admin/settings/backup",
};

function placeOf(notice: Notice): string | null {
  const [kind = "", id = ""] = notice.subject.split(/:(.*)/s);
  if (notice.event === "subscription.requested") return "/admin/subscriptions";
  return PLACES[kind]?.(id) ?? null;
}

export function Items({ notices }: { notices: Notice[] }) {
  const say = useSay();
  const read = useSend("post", "/api/v1/notifications/{notice_id}/read");
  const remove = useSend("delete", "/api/v1/notifications/{notice_id}");
  return (
    <ul className="lm-items">
      {notices.map((notice) => {
        const place = placeOf(notice);
        const title = EVENTS.includes(notice.event) ? say(eventKey(notice.event)) : notice.title;
        const path = { notice_id: notice.id };
        return (
          <li key={notice.id} className={notice.read_at ? "lm-item" : "lm-item lm-unread"}>
            <strong>
              {place ? (
                <Link to={place} onClick={() => !notice.read_at && read.mutate({ path })}>
                  {title}
                </Link>
              ) : (
                title
              )}
            </strong>
            <span>{notice.message}</span>
            <footer>
              <time dateTime={notice.at} title={moment(notice.at)}>
                {ago(notice.at)}
              </time>
              {!notice.read_at && (
                <Button variant="link" size="sm" isInline onClick={() => read.mutate({ path })}>
                  {say("mark_read")}
                </Button>
              )}
              <Button variant="link" size="sm" isInline onClick={() => remove.mutate({ path })}>
                {say("remove")}
              </Button>
            </footer>
          </li>
        );
      })}
    </ul>
  );
}
