/** By what are keys found? The state they are in, and whether their budget is used up. */
import { Filter } from "../../components/Filters";
import { useSay } from "../../lib/i18n";
import type { Key } from "../../lib/keys";
import type { ListState } from "../../lib/listState";

const STATES = ["active", "disabled", "expired", "revoked"];
export const KEY_FILTERS = ["state", "used_up"];

export function KeyFilters({ list }: { list: ListState }) {
  const say = useSay();
  return (
    <>
      <Filter list={list} name="state" label={say("state")} options={STATES.map((value) => ({ value, text: say(`status_${value}` as Key) }))} />
      <Filter
        list={list}
        name="used_up"
        label={say("budget")}
        options={[
          { value: "true", text: say("budget_used_up") },
          { value: "false", text: say("budget_left") },
        ]}
      />
    </>
  );
}
