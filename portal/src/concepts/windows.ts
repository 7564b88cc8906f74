/** Over which time does a budget run? The words of the API's durations. */
import type { Say } from "../lib/i18n";
import type { Key } from "../lib/keys";

export const WINDOWS = ["daily", "weekly", "monthly", "yearly"] as const;

export function windowWord(say: Say, duration: string | null | undefined): string {
  if (!duration) return say("window_none");
  return (WINDOWS as readonly string[]).includes(duration) ? say(`window_${duration}` as Key) : duration;
}

export function windowOptions(say: Say, held?: string | null): { value: string; text: string }[] {
  const known = [{ value: "", text: say("window_none") }, ...WINDOWS.map((value) => ({ value, text: say(`window_${value}`) }))];
  return held && !(WINDOWS as readonly string[]).includes(held) ? [...known, { value: held, text: held }] : known;
}
