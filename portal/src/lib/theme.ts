/** Dark, light, or as the system says? `public/theme.js` does the same before the first paint. */
export type Theme = "system" | "light" | "dark";
const STORED = "litemaas.theme";
const systemIsDark = () => matchMedia("(prefers-color-scheme: dark)");

export function storedTheme(): Theme {
  try {
    const stored = localStorage.getItem(STORED);
    return stored === "light" || stored === "dark" ? stored : "system";
  } catch {
    return "system";
  }
}

export function applyTheme(theme: Theme): void {
  const dark = theme === "dark" || (theme === "system" && systemIsDark().matches);
  document.documentElement.classList.toggle("pf-v6-theme-dark", dark);
}

export function chooseTheme(theme: Theme): void {
  try {
    localStorage.setItem(STORED, theme);
  } catch {
    // Not stored: holds until the page is closed.
  }
  applyTheme(theme);
}

/** Follows the system while nothing else was chosen; the returned function stops it. */
export function followSystem(): () => void {
  const system = systemIsDark();
  const follow = () => applyTheme(storedTheme());
  system.addEventListener("change", follow);
  return () => system.removeEventListener("change", follow);
}
