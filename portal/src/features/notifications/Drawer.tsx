/** The newest notifications beside the page. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import TimesIcon from "@patternfly/react-icons/dist/esm/icons/times-icon";
import { useEffect, useRef } from "react";
import { Link } from "react-router";
import { Copyable } from "../../components/Copy";
import { Empty, Loaded } from "../../components/States";
import { Items } from "../../concepts/notifications/Items";
import { useGet, useSend } from "../../lib/api";
import { ago } from "../../lib/format";
import { prepareTexts, useSay } from "../../lib/i18n";
import { failuresOfThisVisit } from "../../lib/toasts";

await prepareTexts("pages");

export default function Drawer({ close }: { close: () => void }) {
  const say = useSay();
  const found = useGet("/api/v1/notifications", { query: { limit: 20 } });
  const readAll = useSend("post", "/api/v1/notifications/read-all");
  const clear = useSend("delete", "/api/v1/notifications");
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    heading.current?.focus();
    return () => {
      // What had the focus in the drawer is gone with it.
      if (document.activeElement === document.body && before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <aside className="lm-drawer" aria-label={say("notifications")} onKeyDown={(event) => event.key === "Escape" && close()}>
      <header className="lm-page-head">
        <h2 tabIndex={-1} ref={heading}>
          {say("notifications")}
        </h2>
        <Button variant="plain" icon={<TimesIcon />} aria-label={say("close")} onClick={close} />
      </header>
      <Loaded query={found}>
        {({ data }) =>
          data.length === 0 ? (
            <Empty title={say("no_notifications")} text={say("no_notifications_text")} />
          ) : (
            <>
              <div className="lm-actions">
                <Button variant="link" onClick={() => readAll.mutate({})}>
                  {say("mark_all_read")}
                </Button>
                <Button variant="link" onClick={() => clear.mutate({})}>
                  {say("clear_all")}
                </Button>
              </div>
              <Items notices={data} />
            </>
          )
        }
      </Loaded>
      <Failures />
      <p>
        <Link to="/notifications" onClick={close}>
          {say("see_all")}
        </Link>
      </p>
    </aside>
  );
}

/** A message that was closed too early can be read here again, with its request id. */
function Failures() {
  const say = useSay();
  const failures = failuresOfThisVisit();
  if (failures.length === 0) return null;
  return (
    <section aria-label={say("failures_of_visit")} className="lm-stack">
      <h3>{say("failures_of_visit")}</h3>
      <ul className="lm-items">
        {failures.map((failure) => (
          <li key={failure.id} className="lm-item">
            <strong>{failure.text}</strong>
            {failure.detail && <span>{failure.detail}</span>}
            <footer>
              {ago(new Date(failure.at).toISOString())} {failure.requestId && <Copyable text={failure.requestId} label={say("request_id")} />}
            </footer>
          </li>
        ))}
      </ul>
    </section>
  );
}
