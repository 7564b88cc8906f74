/** What was decided about a subscription, by whom, when and why. */
import { Dialog } from "../../components/Dialog";
import { Loaded } from "../../components/States";
import { Status } from "../../components/Status";
import { useGet } from "../../lib/api";
import { moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";

export function History({ id, title, close, isAdmin = false }: { id: string; title: string; close: () => void; isAdmin?: boolean }) {
  const say = useSay();
  const path = { path: { subscription_id: id } };
  const own = useGet("/api/v1/subscriptions/{subscription_id}", path, { enabled: !isAdmin });
  const any = useGet("/api/v1/admin/subscriptions/{subscription_id}", path, { enabled: isAdmin });
  return (
    <Dialog title={say("history_of", { name: title })} close={close}>
      <Loaded query={isAdmin ? any : own}>
        {({ history }) => (
          <ol className="lm-items">
            {(history ?? []).map((entry, index) => (
              <li key={index} className="lm-item">
                <span className="lm-labels">
                  <Status value={entry.old_status} /> {entry.old_status && <span aria-hidden="true">→</span>} <Status value={entry.new_status} />
                </span>
                {entry.reason && <span>{entry.reason}</span>}
                <footer>
                  {moment(entry.at)} · {entry.actor_name ?? entry.actor}
                </footer>
              </li>
            ))}
          </ol>
        )}
      </Loaded>
    </Dialog>
  );
}
