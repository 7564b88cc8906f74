/** Backups: made, tried and deleted by the server; restoring asks for the database's name. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Card, Facts } from "../../components/Card";
import { Confirm, FormDialog, Refusal } from "../../components/Dialog";
import { Text, Whole } from "../../components/fields";
import { Loaded } from "../../components/States";
import { endOf, Status } from "../../components/Status";
import { useGet, useSend, type Reply } from "../../lib/api";
import { compact, count, milliseconds, moment } from "../../lib/format";
import { useSay, type Say } from "../../lib/i18n";
import type { Key } from "../../lib/keys";
import { GroupForm } from "./group";

type Backup = Reply<"/api/v1/admin/backups", "get">["data"][number];
const JOBS: Record<string, Key> = { "backup.create": "create_backup", "backup.test_restore": "test_restore", "backup.restore": "restore" };
type Held = Reply<"/api/v1/admin/settings", "get">["backup"];

export default function BackupTab() {
  const say = useSay();
  const found = useGet("/api/v1/admin/backups");
  const able = useGet("/api/v1/admin/backups/capabilities");
  const create = useSend("post", "/api/v1/admin/backups");
  const test = useSend("post", "/api/v1/admin/backups/{backup_id}/test-restore");
  const remove = useSend("delete", "/api/v1/admin/backups/{backup_id}");
  const [open, setOpen] = useState<{ act: "delete" | "restore"; backup: Backup } | null>(null);
  const job = create.data?.job_id ?? test.data?.job_id ?? able.data?.last_jobs[0]?.id;
  return (
    <div className="lm-columns">
      <Card title={say("create_backup")}>
        <p className="lm-subtle">{say("backup_text")}</p>
        <div>
          <Button isLoading={create.isPending} onClick={() => create.mutate({})}>
            {say("create_backup")}
          </Button>
        </div>
        <Refusal error={create.error ?? test.error} />
        {job && <Job id={job} />}
      </Card>
      <GroupForm<Held> group="backup" title={say("schedule")}>
        {({ values, change }) => (
          <div className="lm-pair">
            <Whole label={say("every_hours")} min={1} max={744} value={values.every_hours ?? null} onChange={(value) => change({ every_hours: value })} help={say("empty_is_never")} />
            <Whole label={say("backups_kept")} min={1} max={1000} value={values.kept ?? 7} onChange={(value) => change({ kept: value ?? 7 })} />
          </div>
        )}
      </GroupForm>
      <Card title={say("tab_backup")} wide>
        <Loaded query={found}>
          {({ data }) =>
            data.length === 0 ? (
              <p className="lm-subtle">{say("no_backups")}</p>
            ) : (
              <ul className="lm-items">
                {data.map((backup) => (
                  <li key={backup.id} className="lm-item">
                    <strong>{moment(backup.created_at)}</strong>
                    <span className="lm-subtle">{say("backup_is", { size: compact(backup.size), tables: backup.tables, rows: count(backup.rows), version: backup.application })}</span>
                    <footer>
                      <Button variant="link" isInline component="a" href={`/api/v1/admin/backups/${backup.id}/download`}>
                        {say("download")}
                      </Button>
                      <Button variant="link" isInline onClick={() => test.mutate({ path: { backup_id: backup.id } })}>
                        {say("test_restore")}
                      </Button>
                      <Button variant="link" isInline isDanger onClick={() => setOpen({ act: "restore", backup })}>
                        {say("restore")}
                      </Button>
                      <Button variant="link" isInline isDanger onClick={() => setOpen({ act: "delete", backup })}>
                        {say("delete")}
                      </Button>
                    </footer>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      {open?.act === "delete" && <Confirm title={say("delete_what", { what: moment(open.backup.created_at) })} text={say("cannot_be_undone")} submit={say("delete")} close={() => setOpen(null)} act={() => remove.mutateAsync({ path: { backup_id: open.backup.id } })} />}
      {open?.act === "restore" && <Restore backup={open.backup} database={able.data?.database ?? ""} close={() => setOpen(null)} />}
    </div>
  );
}

const RUNNING = ["queued", "running"];
const WORDS: Record<string, Key> = { done: "tables_done", tables: "tables", rows: "rows", size: "size", elapsed_s: "duration", schema: "schema", warnings: "warnings" };

/** What a job tells of itself, in words where there are some; ids and the table at work are left out. */
function told(say: Say, members: Record<string, unknown>): [string, string][] {
  const shown = (name: string, value: unknown) => {
    if (typeof value !== "number") return Array.isArray(value) ? value.join(", ") || say("none") : String(value);
    return name === "elapsed_s" ? milliseconds(value * 1000) : name === "size" ? `${compact(value)}B` : count(value);
  };
  return Object.entries(members)
    .filter(([name]) => WORDS[name])
    .map(([name, value]) => [say(WORDS[name]!), shown(name, value)]);
}

/** Progress survives going away: the job is the server's. When it has ended, the list is asked for anew. */
function Job({ id }: { id: string }) {
  const say = useSay();
  const cache = useQueryClient();
  const job = useGet("/api/v1/admin/jobs/{job_id}", { path: { job_id: id } }, { refetchInterval: 2000, staleTime: 0 }).data;
  const isRunning = job !== undefined && RUNNING.includes(job.state);
  useEffect(() => {
    if (!isRunning) void cache.invalidateQueries({ queryKey: ["/api/v1/admin/backups"] });
  }, [isRunning, cache]);
  if (!job) return null;
  return (
    <div role="status">
      <Facts
        facts={[
          [say("job"), JOBS[job.kind] ? say(JOBS[job.kind]!) : job.kind],
          [say("state"), <Status key="state" value={endOf(job.state)} />],
          [say("error"), job.error],
          ...told(say, { ...job.progress, ...job.result }),
        ]}
      />
    </div>
  );
}

function Restore({ backup, database, close }: { backup: Backup; database: string; close: () => void }) {
  const say = useSay();
  const restore = useSend("post", "/api/v1/admin/backups/{backup_id}/restore");
  const [typed, setTyped] = useState("");
  const send = () => restore.mutateAsync({ path: { backup_id: backup.id }, body: { confirmation: typed } }).then(close, () => undefined);
  return (
    <FormDialog title={say("restore")} submit={say("restore")} close={close} send={send} busy={restore.isPending} error={restore.error} danger isDisabled={typed !== database}>
      <p>{say("restore_text", { time: moment(backup.created_at) })}</p>
      <Text label={say("type_database", { name: database })} value={typed} onChange={setTyped} isRequired />
    </FormDialog>
  );
}
