/** Usage by model, key, person or team: sorted and paged by the server; what is not on the page is summed below. */
import { useState } from "react";
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Card } from "../../components/Card";
import { GridTable } from "../../components/charts/ChartCard";
import { Loaded } from "../../components/States";
import { useGet } from "../../lib/api";
import { count, money, percent } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import type { Key } from "../../lib/keys";
import type { usageQuery } from "./Analytics";

const LIMIT = 10;
export type Dimension = "model" | "key" | "user" | "team" | "provider" | "cost_centre" | "workshop";
const TITLES: Record<Dimension, Key> = { model: "per_model", key: "per_key", user: "per_user", team: "per_team", provider: "per_provider", cost_centre: "per_cost_centre", workshop: "per_workshop" };
/** Not every installation has them: a table of nothing but "none" is left out. */
const SELDOM: readonly Dimension[] = ["cost_centre", "workshop"];
const SORTS = { total_tokens: "total_tokens", cost_nano: "cost", requests: "requests" } as const;

export function BreakdownTable({ dimension, query }: { dimension: Dimension; query: ReturnType<typeof usageQuery> }) {
  const say = useSay();
  const [page, setPage] = useState(1);
  const [sort, setSort] = useState<keyof typeof SORTS>("total_tokens");
  const found = useGet("/api/v1/usage/breakdown/{dimension}", { path: { dimension }, query: { ...query, page, limit: LIMIT, sort } }, { keep: true });
  if (SELDOM.includes(dimension) && !found.data?.data.some((row) => row.id)) return null;
  const choose = (
    <select className="lm-select" aria-label={say("sort_by")} value={sort} onChange={(event) => setSort(event.target.value as keyof typeof SORTS)}>
      {Object.entries(SORTS).map(([value, key]) => (
        <option key={value} value={value}>
          {say(key)}
        </option>
      ))}
    </select>
  );
  return (
    <Card title={say(TITLES[dimension])} aside={choose} wide>
      <Loaded query={found}>
        {(data) => {
          const cells = (name: string, row: (typeof data)["total"]) => [name, row.requests, row.prompt_tokens, row.completion_tokens, row.total_tokens, row.cost_nano, row.success_rate];
          const rows = [
            ...data.data.map((row) => cells(row.name || row.id || say("none"), row)),
            ...(data.rest ? [cells(say("others"), data.rest)] : []),
            cells(say("total"), data.total),
          ];
          const shows = [String, count, count, count, count, money, percent] as ((value: never) => string)[];
          return data.groups === 0 ? (
            <p>{say("no_usage_in_period")}</p>
          ) : (
            <>
              <GridTable
                caption={say(TITLES[dimension])}
                grid={{
                  head: [say("name"), say("requests"), say("prompt_tokens"), say("completion_tokens"), say("total_tokens"), say("cost"), say("success_rate")],
                  rows,
                  show: (value, column) => shows[column]!(value as never),
                }}
              />
              {data.groups > LIMIT && (
                <div className="lm-pager">
                  <span>{say("shown_of", { first: (page - 1) * LIMIT + 1, last: Math.min(page * LIMIT, data.groups), total: data.groups })}</span>
                  <Button variant="link" isDisabled={page === 1} onClick={() => setPage(page - 1)}>
                    {say("previous_page")}
                  </Button>
                  <Button variant="link" isDisabled={page * LIMIT >= data.groups} onClick={() => setPage(page + 1)}>
                    {say("next_page")}
                  </Button>
                </div>
              )}
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}
