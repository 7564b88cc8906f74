/** Language and theme: chosen before sign-in as well as after. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import AdjustIcon from "@patternfly/react-icons/dist/esm/icons/adjust-icon";
import MoonIcon from "@patternfly/react-icons/dist/esm/icons/moon-icon";
import SunIcon from "@patternfly/react-icons/dist/esm/icons/sun-icon";
import { useState } from "react";
import { isLanguage, LANGUAGES, useSay, useSpeech } from "../lib/i18n";
import { chooseTheme, storedTheme, type Theme } from "../lib/theme";

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
