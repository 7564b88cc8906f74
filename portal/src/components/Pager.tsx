/** Which part of the list is shown, and how to come to the rest? */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import AngleLeftIcon from "@patternfly/react-icons/dist/esm/icons/angle-left-icon";
import AngleRightIcon from "@patternfly/react-icons/dist/esm/icons/angle-right-icon";
import { useSay } from "../lib/i18n";
import type { ListState } from "../lib/listState";

export interface Pagination {
  page: number;
  limit: number;
  total: number;
}

const SIZES = [10, 20, 50, 100];

export function Pager({ list, pagination, quiet, sizes = SIZES }: { list: ListState; pagination: Pagination; quiet?: boolean; sizes?: number[] }) {
  const say = useSay();
  const { total, limit } = pagination;
  const page = Math.min(list.page, Math.max(1, Math.ceil(total / limit)));
  const first = total === 0 ? 0 : (page - 1) * limit + 1;
  const last = Math.min(total, page * limit);
  return (
    <div className="lm-pager">
      <span role={quiet ? undefined : "status"}>{say("shown_of", { first, last, total })}</span>
      <select className="lm-select" aria-label={say("per_page")} value={limit} onChange={(event) => list.setLimit(Number(event.target.value))}>
        {[...new Set([...sizes, limit])].sort((a, b) => a - b).map((size) => (
          <option key={size} value={size}>
            {say("n_per_page", { count: size })}
          </option>
        ))}
      </select>
      <Button variant="plain" icon={<AngleLeftIcon />} aria-label={say("previous_page")} isDisabled={page <= 1} onClick={() => list.setPage(page - 1)} />
      <Button variant="plain" icon={<AngleRightIcon />} aria-label={say("next_page")} isDisabled={last >= total} onClick={() => list.setPage(page + 1)} />
    </div>
  );
}
