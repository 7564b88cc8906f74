/** Right side of the masthead: theme, language, bell with the number of unread notifications, account. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import BellIcon from "@patternfly/react-icons/dist/esm/icons/bell-icon";
import UserIcon from "@patternfly/react-icons/dist/esm/icons/user-icon";
import { lazy, Suspense, useState } from "react";
import { LanguageChoice, ThemeButton } from "../components/Choices";
import { useGet } from "../lib/api";
import { useSay } from "../lib/i18n";
import { useSession } from "../lib/session";

const AccountMenu = lazy(() => import("./AccountMenu"));

export function AccountBar({ drawerIsOpen, toggleDrawer }: { drawerIsOpen: boolean; toggleDrawer: () => void }) {
  const say = useSay();
  const { session } = useSession();
  const [menu, setMenu] = useState(false);
  const unread = useGet("/api/v1/notifications/unread-count", {}, { refetchInterval: 60_000 }).data?.unread ?? 0;
  const name = session?.user.username ?? "";
  const account = (
    <Button variant="plain" icon={<UserIcon />} aria-haspopup="menu" aria-expanded={false} onClick={() => setMenu(true)}>
      <span className="lm-wide">{name}</span>
      <span className="pf-v6-screen-reader">{say("account")}</span>
    </Button>
  );
  return (
    <div className="lm-bar">
      <ThemeButton />
      <span className="lm-wide">
        <LanguageChoice />
      </span>
      <Button variant="plain" className="lm-bell" icon={<BellIcon />} aria-expanded={drawerIsOpen} onClick={toggleDrawer}>
        <span className="pf-v6-screen-reader">{say("notifications_unread", { count: unread })}</span>
        {unread > 0 && (
          <span className="lm-badge" aria-hidden>
            {unread > 99 ? "99+" : unread}
          </span>
        )}
      </Button>
      {menu ? (
        <Suspense fallback={account}>
          <AccountMenu />
        </Suspense>
      ) : (
        account
      )}
    </div>
  );
}
