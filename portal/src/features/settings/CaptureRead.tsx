/** What was said in recorded calls. Nothing is asked for before the person has heard that each look stands in the audit log. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Facts } from "../../components/Card";
import { CodeBlock } from "../../components/Copy";
import { Dialog } from "../../components/Dialog";
import { LogTable } from "../../components/LogTable";
import type { Reply } from "../../lib/api";
import { useCursorList } from "../../lib/cursorList";
import { count, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";

const PATH = "/api/v1/admin/payload-capture/{capture_id}/payloads";
type Payload = Reply<typeof PATH, "get">["data"][number];

export function CaptureRead({ id, name, close }: { id: string; name: string; close: () => void }) {
  const say = useSay();
  const [sure, setSure] = useState(false);
  const footer = (
    <>
      {!sure && <Button onClick={() => setSure(true)}>{say("read_calls")}</Button>}
      <Button variant={sure ? "primary" : "link"} onClick={close}>
        {say(sure ? "close" : "cancel")}
      </Button>
    </>
  );
  return (
    <Dialog title={say("calls_of", { name })} close={close} footer={footer} size="large">
      {sure ? <Calls id={id} /> : <p>{say("read_calls_text")}</p>}
    </Dialog>
  );
}

function Calls({ id }: { id: string }) {
  const say = useSay();
  const found = useCursorList(PATH, {}, (reply) => ({ rows: reply.data, next: reply.next_cursor }), { capture_id: id });
  return (
    <LogTable<Payload>
      caption={say("recorded_calls")}
      found={found}
      rowKey={(row) => row.request_id}
      empty={say("nothing_recorded")}
      title={(row) => row.request_id}
      columns={[
        { title: say("time"), cell: (row) => moment(row.at) },
        { title: say("model"), cell: (row) => row.model },
        { title: say("endpoint"), cell: (row) => row.endpoint },
        { title: say("http_status"), number: true, cell: (row) => row.status_code },
      ]}
      details={(row) => (
        <>
          <Facts facts={[[say("time"), moment(row.at)], [say("model"), row.model], [say("http_status"), row.status_code]]} />
          <Said title={say("what_was_sent")} text={row.request} bytes={row.request_bytes} />
          <Said title={say("answer")} text={row.answer} bytes={row.answer_bytes} />
        </>
      )}
    />
  );
}

function Said({ title, text, bytes }: { title: string; text: string | null; bytes: number }) {
  const say = useSay();
  return (
    <section>
      <h3>{title}</h3>
      {text === null ? <p className="lm-bad">{say("unreadable")}</p> : <CodeBlock code={text} label={title} />}
      <p className="lm-subtle">{say("n_bytes", { count: count(bytes) })}</p>
    </section>
  );
}
