/** Which word and colour has a state? One table for all of them; what is not known is shown as it is, in grey. */
import { Label, type LabelProps } from "@patternfly/react-core/dist/esm/components/Label";
import { useSay } from "../lib/i18n";
import type { Key } from "../lib/keys";

const COLOURS: Record<string, LabelProps["color"]> = {
  active: "green",
  available: "green",
  healthy: "green",
  success: "green",
  pending: "blue",
  draft: "blue",
  running: "blue",
  scheduled: "blue",
  claim_open: "green",
  paused: "orange",
  ended: "grey",
  free: "grey",
  quiet: "grey",
  stuck: "orangered",
  queued: "blue",
  waiting: "blue",
  delivered: "green",
  given_up: "red",
  skipped: "grey",
  succeeded: "green",
  in_grace: "teal",
  denied: "red",
  error: "red",
  failed: "red",
  failure: "red",
  refused: "orangered",
  unavailable: "red",
  revoked: "red",
  blocked: "orangered",
  suspended: "orange",
  disabled: "orange",
  deprecated: "yellow",
  degraded: "yellow",
  cancelled: "grey",
  broken_off: "grey",
  expired: "purple",
  inactive: "grey",
  retired: "grey",
  unknown: "grey",
};
const WORDS = new Set(Object.keys(COLOURS));

/** Of calls and jobs; a subscription that somebody gave up has a word of its own in most languages. */
export const endOf = (state: string) => (state === "cancelled" ? "broken_off" : state);

export function Status({ value }: { value: string | null | undefined }) {
  const say = useSay();
  if (!value) return null;
  return (
    <Label isCompact color={COLOURS[value] ?? "grey"}>
      {WORDS.has(value) ? say(`status_${value}` as Key) : value}
    </Label>
  );
}
