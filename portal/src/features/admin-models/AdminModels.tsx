/** All models, drafts and retired ones too: where they run, what they cost, what is wrong with them. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { Link, useNavigate } from "react-router";
import { DataTable } from "../../components/DataTable";
import { Filter, Search, Toolbar } from "../../components/Filters";
import { Page } from "../../components/Page";
import { Status } from "../../components/Status";
import { contextWord, priceFacts, TYPES, typeWord } from "../../concepts/models/words";
import { useGet, type Reply } from "../../lib/api";
import { count, UNKNOWN } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import type { Key } from "../../lib/keys";
import { listQuery, useListState } from "../../lib/listState";
import { useMay } from "../../lib/session";

export type AdminModelRow = Reply<"/api/v1/admin/models", "get">["data"][number];
export const LIFE = ["draft", "available", "deprecated", "retired"];

export default function AdminModels() {
  const say = useSay();
  const may = useMay()("admin:models:write");
  const navigate = useNavigate();
  const list = useListState();
  const found = useGet("/api/v1/admin/models", { query: listQuery(list, ["type", "status", "provider"]) as never }, { keep: true });
  return (
    <Page
      title={say("models")}
      subtitle={say("admin_models_subtitle")}
      labels={!may && <Label isCompact>{say("read_only")}</Label>}
      actions={may && <Button onClick={() => void navigate("/admin/models/new")}>{say("add_model")}</Button>}
    >
      <Problems />
      <Toolbar search={<Search list={list} label={say("search_models")} />}>
        <Filter list={list} name="type" label={say("type")} options={TYPES.map((value) => ({ value, text: typeWord(say, value) }))} />
        <Filter list={list} name="status" label={say("state")} options={LIFE.map((value) => ({ value, text: say(`status_${value}` as Key) }))} />
      </Toolbar>
      <DataTable<AdminModelRow>
        caption={say("models")}
        query={found}
        list={list}
        rowKey={(row) => row.id}
        rowName={(row) => row.name}
        empty={{ title: say("no_models"), text: say("no_models_admin_text") }}
        columns={[
          {
            title: say("name"),
            sort: "name",
            cell: (row) => (
              <>
                <Link to={`/admin/models/${row.id}`}>{row.name}</Link>
                {row.restricted_access && <div className="lm-subtle">{say("restricted")}</div>}
              </>
            ),
          },
          { title: say("type"), cell: (row) => typeWord(say, row.type) },
          { title: say("state"), sort: "status", cell: (row) => <Status value={row.status} /> },
          { title: say("health"), cell: (row) => <Status value={row.health} /> },
          { title: say("address"), cell: (row) => <span title={row.deployments[0]?.api_base}>{row.deployments.length > 1 ? say("n_endpoints", { count: row.deployments.length }) : shortAddress(row.deployments[0]?.api_base)}</span> },
          { title: say("rpm_tpm"), number: true, cell: (row) => `${count(row.rpm_limit)} / ${count(row.tpm_limit)}` },
          { title: say("price"), number: true, cell: (row) => priceFacts(say, row.type, row.pricing).map(([, value]) => value).join(" / ") },
          { title: say("context"), number: true, cell: (row) => (row.context_length ? contextWord(row.context_length) : UNKNOWN) },
        ]}
      />
    </Page>
  );
}

function shortAddress(address: string | undefined): string {
  if (!address) return UNKNOWN;
  try {
    return new URL(address).host;
  } catch {
    return address;
  }
}

function Problems() {
  const say = useSay();
  const found = useGet("/api/v1/admin/models/problems").data?.data ?? [];
  if (found.length === 0) return null;
  return (
    <details className="lm-banner lm-warning">
      <summary>{say("n_problems", { count: found.length })}</summary>
      <ul>
        {found.map((problem, index) => (
          <li key={index}>
            <Link to={`/admin/models/${problem.id}`}>{problem.name}</Link>: {problem.problems.map((code) => say(`problem_${code}`)).join(", ")}
          </li>
        ))}
      </ul>
    </details>
  );
}
