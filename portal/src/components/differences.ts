/** Two people changed the same object: where do they differ, and what comes of their choice? Members of members count one by one. */
export type Side = "mine" | "theirs";

/** `isBoth`: both changed it, and otherwise; else only the others did. */
export interface Difference {
  path: string;
  mine: unknown;
  theirs: unknown;
  isBoth: boolean;
}

type Values = Record<string, unknown>;
const same = (a: unknown, b: unknown) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
const isPlain = (value: unknown): value is Values => typeof value === "object" && value !== null && !Array.isArray(value);

/** `{a: {b: 1}, c: 2}` as `{"a.b": 1, c: 2}`. */
function flat(values: object): Values {
  return Object.fromEntries(Object.entries(values).flatMap(([name, value]) => (isPlain(value) ? Object.entries(value).map(([inner, one]) => [`${name}.${inner}`, one]) : [[name, value]])));
}

export function differences(base: object, mine: object, theirs: object): Difference[] {
  const [before, ours, others] = [flat(base), flat(mine), flat(theirs)];
  return [...new Set([...Object.keys(ours), ...Object.keys(others)])].flatMap((path) => {
    if (same(others[path], before[path]) || same(others[path], ours[path])) return [];
    return [{ path, mine: ours[path], theirs: others[path], isBoth: !same(ours[path], before[path]) }];
  });
}

/** Theirs, with what only we changed, and what we chose where both did. */
export function merged<T extends object>(base: T, mine: T, theirs: T, chosen: Record<string, Side>): T {
  const [before, ours, others] = [flat(base), flat(mine), flat(theirs)];
  const result = structuredClone(theirs) as Values;
  for (const path of new Set([...Object.keys(ours), ...Object.keys(before)])) {
    const isOurs = !same(ours[path], before[path]) && (same(others[path], before[path]) || (chosen[path] ?? "mine") === "mine");
    if (!isOurs) continue;
    const dot = path.indexOf(".");
    const target = dot < 0 ? result : (result[path.slice(0, dot)] = { ...((result[path.slice(0, dot)] as Values | null) ?? {}) });
    const name = path.slice(dot + 1);
    if (path in ours) (target as Values)[name] = ours[path];
    else delete (target as Values)[name];
  }
  return result as T;
}

/** Only what differs: a field that nobody touched stays as it is on the server. */
export function changesBetween<T extends object>(before: T, after: T): Partial<T> {
  const names = Object.keys(after) as (keyof T)[];
  return Object.fromEntries(names.filter((name) => !same(before[name], after[name])).map((name) => [name, after[name]])) as Partial<T>;
}
