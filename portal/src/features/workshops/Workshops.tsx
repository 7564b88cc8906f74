/** Which workshops are there, how many seats are taken, and how much of the pot is used? */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { Link, useNavigate } from "react-router";
import { DataTable } from "../../components/DataTable";
import { Search, Toolbar } from "../../components/Filters";
import { Meter } from "../../components/Meter";
import { Page } from "../../components/Page";
import { Status } from "../../components/Status";
import { useGet, type Reply } from "../../lib/api";
import { moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { listQuery, useListState } from "../../lib/listState";
import { useMay } from "../../lib/session";
import "../../components/workshops.css";
import { Drafts } from "./Drafts";

type Row = Reply<"/api/v1/workshops", "get">["data"][number];

export default function Workshops() {
  const say = useSay();
  const may = useMay();
  const list = useListState();
  const navigate = useNavigate();
  const found = useGet("/api/v1/workshops", { query: listQuery(list) }, { keep: true, refetchInterval: 30_000 });
  const plan = may("admin:workshops:write") && <Button onClick={() => void navigate("/workshops/new")}>{say("plan_workshop")}</Button>;
  const isReader = may("admin:workshops:read") && !may("admin:workshops:write");
  const address = (row: Row) => `/workshops/${encodeURIComponent(row.guid)}`;
  return (
    <Page title={say("workshops")} subtitle={say("workshops_subtitle")} labels={isReader && <Label isCompact>{say("read_only")}</Label>} actions={plan}>
      <div className="lm-stack">
        {may("admin:workshops:write") && <Drafts />}
        <Toolbar search={<Search list={list} label={say("search_workshops")} />} />
        <DataTable<Row>
          caption={say("workshops")}
          query={found}
          list={list}
          rowKey={(row) => row.guid}
          rowName={(row) => row.title ?? row.guid}
          empty={{ title: say("no_workshops"), text: say("no_workshops_text"), action: plan }}
          columns={[
            {
              title: say("workshop"),
              cell: (row) => (
                <div className="lm-first">
                  <Link to={address(row)}>{row.title ?? row.guid}</Link>
                  <div className="lm-subtle">{row.models.join(", ")}</div>
                </div>
              ),
            },
            { title: say("state"), cell: (row) => <Status value={row.state} /> },
            {
              title: say("when"),
              cell: (row) => (
                <>
                  <div>{moment(row.starts_at ?? row.created_at)} –</div>
                  <div>{row.ends_at ? moment(row.ends_at) : say("never")}</div>
                </>
              ),
            },
            { title: say("seats_claimed"), cell: (row) => <Meter used={row.claimed} limit={row.seats} unit="count" label={say("seats_claimed")} plain /> },
            { title: say("pot"), cell: (row) => <Meter used={row.pot_spent_nano} limit={row.pot_nano} label={say("pot")} /> },
            { title: say("organisers"), cell: (row) => Object.values(row.organisers).join(", ") || "–" },
          ]}
          actions={(row) => [
            { title: say("open_board"), onClick: () => void navigate(address(row)) },
            ...(row.may_run && row.state !== "ended" ? [{ title: say("handouts"), onClick: () => void navigate(`${address(row)}/handouts`) }] : []),
          ]}
        />
      </div>
    </Page>
  );
}
