/** Plans that I have kept and not made yet: to go on with, or to delete. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Link } from "react-router";
import { Card } from "../../components/Card";
import { Confirm } from "../../components/Dialog";
import { useGet, useSend, type Reply } from "../../lib/api";
import { ago, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";

type Row = Reply<"/api/v1/workshop-drafts", "get">["data"][number];

export function Drafts() {
  const say = useSay();
  const drafts = useGet("/api/v1/workshop-drafts").data?.data ?? [];
  const remove = useSend("delete", "/api/v1/workshop-drafts/{draft_id}");
  const [open, setOpen] = useState<Row | null>(null);
  const name = (row: Row) => row.title || say("draft_without_title");
  if (drafts.length === 0) return null;
  return (
    <Card title={say("my_drafts")}>
      <ul className="lm-items">
        {drafts.map((row) => (
          <li key={row.id} className="lm-row">
            <Link to={`/workshops/new?draft=${encodeURIComponent(row.id)}`}>{name(row)}</Link>
            <span className="lm-row">
              <span className="lm-subtle" title={moment(row.updated_at)}>
                {ago(row.updated_at)}
              </span>
              <Button variant="link" isInline isDanger aria-label={say("delete_what", { what: name(row) })} onClick={() => setOpen(row)}>
                {say("delete")}
              </Button>
            </span>
          </li>
        ))}
      </ul>
      {open && <Confirm title={say("delete_what", { what: name(open) })} text={say("cannot_be_undone")} submit={say("delete")} close={() => setOpen(null)} act={() => remove.mutateAsync({ path: { draft_id: open.id } })} />}
    </Card>
  );
}
