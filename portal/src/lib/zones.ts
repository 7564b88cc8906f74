/** How does a time on a wall clock become a moment, and the other way round? By the offset that the zone has then. */
export function zones(): string[] {
  const known = Intl.supportedValuesOf("timeZone");
  return known.includes("UTC") ? known : ["UTC", ...known];
}

export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

/** How far the zone's clocks are ahead of UTC at this moment. Units: milliseconds. */
function offset(at: number, zone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" }).formatToParts(at);
  const of = (type: string) => Number(parts.find((part) => part.type === type)?.value);
  return Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second")) - Math.floor(at / 1000) * 1000;
}

/** "2030-03-07T14:00" on clocks of the zone, as RFC 3339; "" for what is no time. A clock that is put forward skips an hour. */
export function toMoment(local: string, zone: string): string {
  const asUtc = Date.parse(`${local}Z`);
  if (Number.isNaN(asUtc)) return "";
  const first = asUtc - offset(asUtc, zone);
  return new Date(asUtc - offset(first, zone)).toISOString();
}

/** What clocks of the zone show at a moment, as fields for times want it. */
export function toLocal(moment: string, zone: string): string {
  const at = Date.parse(moment);
  return Number.isNaN(at) ? "" : new Date(at + offset(at, zone)).toISOString().slice(0, 16);
}
