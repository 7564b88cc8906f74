/** My keys, and those of my teams. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Link, useSearchParams } from "react-router";
import { DataTable } from "../../components/DataTable";
import { Filter, Search, Toolbar } from "../../components/Filters";
import { Page } from "../../components/Page";
import { CreateKey } from "../../concepts/keys/CreateKey";
import { keyColumns, type KeyRow } from "../../concepts/keys/columns";
import { KEY_FILTERS, KeyFilters } from "../../concepts/keys/filters";
import { KeyActions, useKeyActions } from "../../concepts/keys/KeyActions";
import { useGet } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { listQuery, useListState } from "../../lib/listState";
import { useMay } from "../../lib/session";

const FILTERS = [...KEY_FILTERS, "model", "team_id"];

export default function Keys() {
  const say = useSay();
  const may = useMay()("api_keys:write");
  const [params, setParams] = useSearchParams();
  const list = useListState();
  const found = useGet("/api/v1/keys", { query: listQuery(list, FILTERS) as never }, { keep: true });
  const subscriptions = useGet("/api/v1/subscriptions", { query: { limit: 100 } }).data?.data ?? [];
  const teams = useGet("/api/v1/teams", { query: { limit: 100 } }).data?.data ?? [];
  const actions = useKeyActions();
  const create = params.get("create");
  const open = (model: string | null) => {
    const next = new URLSearchParams(params);
    if (model === null) next.delete("create");
    else next.set("create", model);
    setParams(next, { replace: true });
  };
  const button = may && <Button onClick={() => open("")}>{say("create_key")}</Button>;
  return (
    <Page title={say("api_keys")} subtitle={say("keys_subtitle")} actions={button}>
      <Toolbar search={<Search list={list} label={say("search_keys")} />}>
        <KeyFilters list={list} />
        <Filter list={list} name="model" label={say("model")} options={subscriptions.map(({ model }) => ({ value: model.name, text: model.name }))} />
        {teams.length > 0 && <Filter list={list} name="team_id" label={say("team")} options={teams.map((team) => ({ value: team.id, text: team.name }))} />}
      </Toolbar>
      <DataTable<KeyRow>
        caption={say("api_keys")}
        query={found}
        list={{ ...list, isNarrowed: list.search !== "" || FILTERS.some((name) => list.filters[name]) }}
        rowKey={(row) => row.id}
        rowName={(row) => row.name}
        empty={{ title: say("no_keys"), text: say("no_keys_text"), action: button }}
        columns={keyColumns(say, (row) => <Link to={`/api-keys/${row.id}`}>{row.name}</Link>)}
        {...(may ? { actions: (row: KeyRow) => actions.items(row) } : {})}
      />
      <KeyActions state={actions} />
      {create !== null && may && <CreateKey model={create} close={() => open(null)} />}
    </Page>
  );
}
