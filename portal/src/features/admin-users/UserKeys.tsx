/** Keys of one person, as administrators see them. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { DataTable } from "../../components/DataTable";
import { Confirm } from "../../components/Dialog";
import { Search, Toolbar } from "../../components/Filters";
import { keyColumns, type KeyRow } from "../../concepts/keys/columns";
import { KEY_FILTERS, KeyFilters } from "../../concepts/keys/filters";
import { useGet, useSend } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { listQuery, useListState } from "../../lib/listState";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";
import { ManyKeys, type ManyAct } from "./ManyKeys";

type Act = "disable" | "revoke" | "reset_spend" | "delete";

export function UserKeys({ id }: { id: string }) {
  const say = useSay();
  const may = useMay()("admin:api_keys:write");
  const list = useListState();
  const found = useGet("/api/v1/admin/keys", { query: { ...listQuery(list, KEY_FILTERS), user_id: id } as never }, { keep: true });
  const enable = useSend("post", "/api/v1/admin/keys/{key_id}/enable");
  const sends = {
    disable: useSend("post", "/api/v1/admin/keys/{key_id}/disable"),
    revoke: useSend("post", "/api/v1/admin/keys/{key_id}/revoke"),
    reset_spend: useSend("post", "/api/v1/admin/keys/{key_id}/reset-spend"),
  };
  const remove = useSend("delete", "/api/v1/admin/keys/{key_id}");
  const act = ({ act: wanted, key }: { act: Act; key: KeyRow }, reason: string) => {
    const path = { key_id: key.id };
    return wanted === "delete" ? remove.mutateAsync({ path, query: reason ? { reason } : {} }) : sends[wanted].mutateAsync({ path, body: { reason } as never });
  };
  const [open, setOpen] = useState<{ act: Act; key: KeyRow } | null>(null);
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [many, setMany] = useState<ManyAct | null>(null);
  const pick = (key: KeyRow, on: boolean) => {
    const next = new Set(picked);
    if (on) next.add(key.id);
    else next.delete(key.id);
    setPicked(next);
  };
  const items = (key: KeyRow) => [
    ...(key.state === "revoked"
      ? []
      : [
          key.state === "disabled" ? { title: say("enable"), onClick: () => enable.mutate({ path: { key_id: key.id } }, { onError: (error) => tell("danger", say("not_enabled"), error) }) } : { title: say("disable"), onClick: () => setOpen({ act: "disable", key }) },
          { title: say("reset_spend"), onClick: () => setOpen({ act: "reset_spend", key }) },
          { title: say("revoke"), isDanger: true, onClick: () => setOpen({ act: "revoke", key }) },
        ]),
    { title: say("delete"), isDanger: true, onClick: () => setOpen({ act: "delete", key }) },
  ];
  return (
    <>
      <Toolbar search={<Search list={list} label={say("search_keys")} />}>
        <KeyFilters list={list} />
      </Toolbar>
      {may && picked.size > 0 && (
        <div className="lm-actions">
          <Button variant="secondary" onClick={() => setMany("disable")}>
            {say("disable_n_keys", { count: picked.size })}
          </Button>
          <Button variant="secondary" onClick={() => setMany("enable")}>
            {say("enable_n_keys", { count: picked.size })}
          </Button>
          <Button variant="danger" onClick={() => setMany("revoke")}>
            {say("revoke_n_keys", { count: picked.size })}
          </Button>
        </div>
      )}
      <DataTable<KeyRow> caption={say("api_keys")} query={found} list={list} rowKey={(row) => row.id} rowName={(row) => row.name} empty={{ title: say("no_keys") }} columns={keyColumns(say, (row) => row.name)} {...(may ? { actions: items, select: { picked, can: (key: KeyRow) => key.state !== "revoked", pick } } : {})} />
      {many && <ManyKeys act={many} ids={[...picked]} close={() => setMany(null)} done={() => setPicked(new Set())} />}
      {open && (
        <Confirm
          title={`${say(open.act)}: ${open.key.name}`}
          text={open.act === "reset_spend" ? say("reset_spend_text") : <p>{open.act !== "disable" && say(open.act === "delete" ? "delete_key_text" : "revoke_key_text")} {say("key_traffic", { count: open.key.request_count, name: open.key.name })}</p>}
          submit={say(open.act)}
          reason={open.act === "delete" ? "optional" : "required"}
          close={() => setOpen(null)}
          act={(reason) => act(open, reason)}
        />
      )}
    </>
  );
}
