/** Over which days does a page of usage look? The address says it. */
import { daysAgo } from "../../lib/format";
import type { ListState } from "../../lib/listState";

export const PRESETS = [1, 7, 30, 90] as const;

export interface DayRange {
  start_date: string;
  end_date: string;
}

export function rangeOf(list: ListState, usual = 7): DayRange {
  const { start_date, end_date, days } = list.filters;
  if (days === "custom" && start_date && end_date) return { start_date, end_date };
  const wanted = Number(days) || usual;
  return { start_date: daysAgo(wanted - 1), end_date: daysAgo(0) };
}

/** Several values in one place of the address. */
export function many(list: ListState, name: string): string[] {
  return list.filters[name] ? list.filters[name].split(",").map(decodeURIComponent) : [];
}

export function joined(values: string[]): string {
  return values.map(encodeURIComponent).join(",");
}
