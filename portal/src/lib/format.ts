/** How do numbers, money and times look to the person who reads them? Unknown is a dash, nothing is a zero. */
const NANO = 1_000_000_000;
export const UNKNOWN = "–";
let locale = "en";
let currency = "USD";
let zone = "UTC";

export function setLocale(wanted: string): void {
  locale = wanted;
}

export function setCurrency(code: string): void {
  currency = code;
}

/** In which the installation's days, weeks and months begin. */
export function setZone(name: string): void {
  zone = name;
}

export function installationZone(): string {
  return zone;
}

export function currencyCode(): string {
  return currency;
}

export function count(value: number | null | undefined): string {
  return value == null ? UNKNOWN : value.toLocaleString(locale);
}

/** 11.5K; whoever shows it gives the exact value beside it. */
export function compact(value: number | null | undefined): string {
  return value == null
    ? UNKNOWN
    : new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

/** Nano-units as money; what is far below a cent keeps two digits that say something. */
export function money(nano: number | null | undefined): string {
  if (nano == null) return UNKNOWN;
  const value = nano / NANO;
  const small = value !== 0 && Math.abs(value) < 0.01;
  return new Intl.NumberFormat(locale, {
    style: "currency",
    currency,
    ...(small ? { maximumSignificantDigits: 2, minimumSignificantDigits: 1, maximumFractionDigits: 20 } : {}),
  }).format(value);
}

export function percent(value: number | null | undefined, digits = 1): string {
  return value == null
    ? UNKNOWN
    : new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: digits }).format(value / 100);
}

/** Number and unit stay on one line. */
export function milliseconds(value: number | null | undefined): string {
  if (value == null) return UNKNOWN;
  const written = value < 1000
    ? new Intl.NumberFormat(locale, { style: "unit", unit: "millisecond", ...(value < 1 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 0 }) }).format(value)
    : new Intl.NumberFormat(locale, { style: "unit", unit: "second", maximumFractionDigits: 2 }).format(value / 1000);
  return written.replaceAll(" ", "\u00a0");
}

export function day(value: string | Date | null | undefined): string {
  if (!value) return UNKNOWN;
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium" }).format(new Date(value));
}

/** A calendar day as written, whatever the time zone of the reader. */
export function shortDay(value: string): string {
  return new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" }).format(new Date(value));
}

export function moment(value: string | null | undefined, timeZone?: string): string {
  if (!value) return UNKNOWN;
  const zone = timeZone ? { timeZone } : {};
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", ...zone }).format(new Date(value));
}

/** On the reader's clock, with the day where the span is longer than a few hours. */
export function clock(value: string, withDay = false): string {
  return new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit", ...(withDay ? { day: "numeric", month: "short" } : {}) }).format(new Date(value));
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

export function ago(value: string | null | undefined, now = Date.now()): string {
  if (!value) return UNKNOWN;
  const seconds = (new Date(value).getTime() - now) / 1000;
  const words = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const step = STEPS.find(([, size]) => Math.abs(seconds) >= size);
  return step ? words.format(Math.round(seconds / step[1]), step[0]) : words.format(0, "second");
}

/** Days of a range as the API wants them: those of the installation. */
export function isoDay(date: Date): string {
  return new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" }).format(date);
}

export function daysAgo(days: number, from = new Date()): string {
  return dayAfter(isoDay(from), -days);
}

/** Counted on the calendar: whether a day has 23 or 25 hours does not matter. */
export function dayAfter(day: string, days = 1): string {
  return new Date(Date.parse(day) + days * 86_400_000).toISOString().slice(0, 10);
}
