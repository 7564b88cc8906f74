/** Who pays how much for a month? The statement by cost centre, team, person, key or model; export; closing a month. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { useState } from "react";
import { Figure } from "../../components/Card";
import { Confirm } from "../../components/Dialog";
import { Filter, Toolbar } from "../../components/Filters";
import { Page } from "../../components/Page";
import { PlainTable } from "../../components/PlainTable";
import { Empty, Loaded } from "../../components/States";
import { exportAddress } from "../../components/ExportDialog";
import { useGet, useSend, type QueryOf, type Reply } from "../../lib/api";
import { count, isoDay, moment, money } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import type { Key } from "../../lib/keys";
import { useListState } from "../../lib/listState";
import { useZone } from "../../lib/product";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";
import { lastMonths, monthWord } from "./months";

type Statement = Reply<"/api/v1/admin/chargeback", "get">;
type Row = Statement["data"][number];
type Group = "cost_centre" | "team" | "user" | "key" | "model";

const GROUPS: Record<Group, { word: Key; name: (row: Row) => string | null | undefined }> = {
  cost_centre: { word: "cost_centre", name: (row) => row.cost_centre },
  team: { word: "team", name: (row) => row.team_name },
  user: { word: "user", name: (row) => row.user_name },
  key: { word: "api_key", name: (row) => row.key_name },
  model: { word: "model", name: (row) => row.model },
};

export default function Chargeback() {
  const say = useSay();
  const may = useMay();
  const list = useListState();
  const zone = useZone();
  const today = isoDay(new Date()).slice(0, 7);
  const month = list.filters["month"] || today;
  const group = (list.filters["group_by"] || "cost_centre") as Group;
  const query = { month, group_by: group };
  const statement = useGet("/api/v1/admin/chargeback", { query: query as QueryOf<"/api/v1/admin/chargeback", "get"> }, { keep: true });
  const close = useSend("post", "/api/v1/admin/chargeback/close");
  const [closing, setClosing] = useState(false);
  const isOver = month < today;
  const finish = async () => {
    await close.mutateAsync({ body: { month } });
    tell("success", say("month_closed", { month: monthWord(month) }));
  };
  return (
    <Page
      title={say("chargeback")}
      subtitle={say("chargeback_subtitle")}
      labels={!may("admin:chargeback:close") && <Label isCompact>{say("read_only")}</Label>}
      actions={
        <>
          {(["csv", "json", "focus"] as const).map((format) => (
            <Button key={format} variant="secondary" onClick={() => location.assign(exportAddress("/api/v1/admin/chargeback/export", { month, format }))}>
              {say("export_as", { format: format.toUpperCase() })}
            </Button>
          ))}
          {may("admin:chargeback:close") && isOver && statement.data?.closed_at === null && <Button onClick={() => setClosing(true)}>{say("close_month")}</Button>}
        </>
      }
    >
      <Toolbar end={<small className="lm-subtle">{say("months_of_zone", { zone })}</small>}>
        <Filter list={list} name="month" label={say("month")} options={lastMonths(13).slice(1).map((value) => ({ value, text: monthWord(value) }))} all={monthWord(today)} />
        <Filter list={list} name="group_by" label={say("group_by")} options={(["team", "user", "key", "model"] as const).map((value) => ({ value, text: say(GROUPS[value].word) }))} all={say("cost_centre")} />
      </Toolbar>
      <Loaded query={statement} rows={6}>
        {(found) => (
          <div className="lm-stack">
            <div className="lm-figures">
              <Figure name={say("total")} value={money(found.total_nano)} />
              <Figure name={say("state")} value={say(found.closed_at ? "closed" : "month_open")} note={found.closed_at && <small className="lm-subtle">{moment(found.closed_at)}</small>} />
            </div>
            <Lines rows={found.data} group={group} />
          </div>
        )}
      </Loaded>
      {closing && <Confirm title={say("close_month_what", { month: monthWord(month) })} text={say("close_month_text")} submit={say("close_month")} danger={false} close={() => setClosing(false)} act={finish} />}
    </Page>
  );
}

function Lines({ rows, group }: { rows: Row[]; group: Group }) {
  const say = useSay();
  const { word, name } = GROUPS[group];
  if (rows.length === 0) return <Empty title={say("no_usage_in_period")} text={say("no_usage_in_month")} />;
  return (
    <PlainTable
      caption={say("chargeback")}
      head={[word, ...(["requests", "prompt_tokens", "completion_tokens", "pages", "corrections", "cost"] as const)].map((key) => say(key))}
      rows={rows.map((row) => [name(row) || say("none"), count(row.requests), count(row.prompt_tokens), count(row.completion_tokens), count(row.pages), money(row.corrections_nano), money(row.cost_nano)])}
    />
  );
}
