/** Right side of the masthead: theme, language, bell with the number of unread notifications, account. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import BellIcon from "@patternfly/react-icons/dist/esm/icons/bell-icon";
import MoonIcon from "@patternfly/react-icons/dist/esm/icons/moon-icon";
import SunIcon from "@patternfly/react-icons/dist/esm/icons/sun-icon";
import AdjustIcon from "@patternfly/react-icons/dist/esm/icons/adjust-icon";
import UserIcon from "@patternfly/react-icons/dist/esm/icons/user-icon";
import { lazy, Suspense, useState } from "react";
import { useGet } from "../lib/api";
import { isLanguage, LANGUAGES, useSay, useSpeech } from "../lib/i18n";
import { useSession } from "../lib/session";
import { chooseTheme, storedTheme, type Theme } from "../lib/theme";

const AccountMenu = lazy(() => import("./AccountMenu"));
const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const ICONS = { system: AdjustIcon, light: SunIcon, dark: MoonIcon };

export function LanguageChoice() {
  const { language, speak, say } = useSpeech();
  return (
    <select
      className="lm-select"
      aria-label={say("language")}
      value={language}
      onChange={(event) => isLanguage(event.target.value) && void speak(event.target.value)}
    >
      {Object.entries(LANGUAGES).map(([code, name]) => (
        <option key={code} value={code} lang={code}>
          {name}
        </option>
      ))}
    </select>
  );
}

export function ThemeButton() {
  const say = useSay();
  const [theme, setTheme] = useState(storedTheme);
  const Icon = ICONS[theme];
  const choose = () => {
    chooseTheme(NEXT[theme]);
    setTheme(NEXT[theme]);
  };
  const name = say(`theme_${theme}`);
  return <Button variant="plain" icon={<Icon />} aria-label={say("theme_is", { theme: name })} title={say("theme_is", { theme: name })} onClick={choose} />;
}

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
      <Button
        variant="plain"
        className="lm-bell"
        icon={<BellIcon />}
        aria-label={say("notifications_unread", { count: unread })}
        aria-expanded={drawerIsOpen}
        onClick={toggleDrawer}
      >
        {unread > 0 && <span className="lm-badge">{unread > 99 ? "99+" : unread}</span>}
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
