/** Which state of an object was read? The ETag of its answer, kept beside the data; a change sent with it overwrites nobody. */
import { replaceEqualDeep } from "@tanstack/react-query";

const tags = new WeakMap<object, string>();

export function rememberVersion(data: unknown, tag: string | null | undefined): void {
  if (tag && typeof data === "object" && data !== null) tags.set(data, tag);
}

/** The header of a change to what was read; nothing where the server gave no version. */
export function ifMatch(read: object): Record<string, string> {
  const tag = tags.get(read);
  return tag ? { "If-Match": tag } : {};
}

/** For the cache: equal parts stay the same objects, and what comes out is of the version that came in. */
export function sharedWithVersion(before: unknown, after: unknown): unknown {
  const shared: unknown = replaceEqualDeep(before, after);
  rememberVersion(shared, typeof after === "object" && after !== null ? tags.get(after) : undefined);
  return shared;
}
