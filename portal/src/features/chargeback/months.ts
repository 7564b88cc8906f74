/** Which months can be chosen, and how are they called in the reader's language? Months are those of the installation. */
import { isoDay } from "../../lib/format";

export function lastMonths(many: number, now = new Date()): string[] {
  const [year = 0, month = 1] = isoDay(now).split("-").map(Number);
  return Array.from({ length: many }, (_, back) => new Date(Date.UTC(year, month - 1 - back, 1)).toISOString().slice(0, 7));
}

export function monthWord(month: string): string {
  return new Intl.DateTimeFormat(document.documentElement.lang || "en", { month: "long", year: "numeric", timeZone: "UTC" }).format(new Date(`${month}-01T00:00:00Z`));
}
