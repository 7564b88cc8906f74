/** All banners, shown or not: several may be active at once. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { DataTable } from "../../components/DataTable";
import { Confirm } from "../../components/Dialog";
import { Status } from "../../components/Status";
import { useGet, useSend, type Reply } from "../../lib/api";
import { ago, moment, UNKNOWN } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { listQuery, useListState } from "../../lib/listState";
import { useMay } from "../../lib/session";
import { BannerForm } from "./BannerForm";
import type { Key } from "../../lib/keys";

type Banner = Reply<"/api/v1/admin/banners", "get">["data"][number];

export default function Banners() {
  const say = useSay();
  const may = useMay()("admin:banners:write");
  const list = useListState();
  const found = useGet("/api/v1/admin/banners", { query: listQuery(list) }, { keep: true });
  const patch = useSend("patch", "/api/v1/admin/banners/{banner_id}");
  const remove = useSend("delete", "/api/v1/admin/banners/{banner_id}");
  const [form, setForm] = useState<Banner | "new" | null>(null);
  const [doomed, setDoomed] = useState<Banner | null>(null);
  return (
    <>
      {may && (
        <div className="lm-actions">
          <Button onClick={() => setForm("new")}>{say("create_banner")}</Button>
        </div>
      )}
      <DataTable<Banner>
        caption={say("tab_banners")}
        query={found}
        list={list}
        rowKey={(row) => row.id}
        rowName={(row) => row.name}
        empty={{ title: say("no_banners"), text: say("no_banners_text") }}
        columns={[
          { title: say("name"), cell: (row) => row.name },
          { title: say("text"), cell: (row) => <span className="lm-clip">{row.content["en"]}</span> },
          { title: say("state"), cell: (row) => <Status value={row.is_active ? "active" : "inactive"} /> },
          { title: say("style"), cell: (row) => say(`variant_${row.variant}` as Key) },
          { title: say("schedule"), cell: (row) => (row.starts_at || row.ends_at ? `${moment(row.starts_at)} – ${moment(row.ends_at)}` : say("always")) },
          { title: say("audience"), cell: (row) => row.target_roles?.join(", ") || say("everyone") },
          { title: say("updated"), cell: (row) => <span title={moment(row.updated_at)}>{ago(row.updated_at) || UNKNOWN}</span> },
        ]}
        {...(may
          ? {
              actions: (row: Banner) => [
                { title: say("edit"), onClick: () => setForm(row) },
                { title: say(row.is_active ? "hide" : "show"), onClick: () => patch.mutate({ path: { banner_id: row.id }, body: { is_active: !row.is_active } as never }) },
                { title: say("delete"), isDanger: true, onClick: () => setDoomed(row) },
              ],
            }
          : {})}
      />
      {form && <BannerForm banner={form === "new" ? null : form} close={() => setForm(null)} />}
      {doomed && (
        <Confirm
          title={say("delete_what", { what: doomed.name })}
          text={say("cannot_be_undone")}
          submit={say("delete")}
          close={() => setDoomed(null)}
          act={() => remove.mutateAsync({ path: { banner_id: doomed.id } })}
        />
      )}
    </>
  );
}
