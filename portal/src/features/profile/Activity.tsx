/** What did I do here of late? From the audit trail, one's own entries only. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Card } from "../../components/Card";
import { PlainTable } from "../../components/PlainTable";
import { Failure, Loading } from "../../components/States";
import { Status } from "../../components/Status";
import { actionWord } from "../../concepts/audit/words";
import { useCursorList } from "../../lib/cursorList";
import { ago, moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";

const SHOWN = 10;

export function Activity() {
  const say = useSay();
  const found = useCursorList("/api/v1/me/activity", { limit: SHOWN }, (page) => ({ rows: page.data, next: page.next_cursor }));
  return (
    <Card title={say("my_activity")} wide>
      {found.error && !found.rows && <Failure error={found.error} retry={() => void found.refetch()} />}
      {!found.rows && !found.error && <Loading />}
      {found.rows && (
        <PlainTable
          isOfWords
          caption={say("my_activity")}
          head={[say("time"), say("event"), say("object"), say("result")]}
          rows={found.rows.map((row) => [
            <span key="at" title={moment(row.at)}>
              {ago(row.at)}
            </span>,
            <span key="action" title={row.action}>
              {actionWord(say, row.action)}
            </span>,
            row.object_name ?? row.object_id.slice(0, 24),
            <Status key="result" value={row.success ? "success" : "failed"} />,
          ])}
        />
      )}
      {found.hasNextPage && (
        <div>
          <Button variant="secondary" isLoading={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>
            {say("show_more")}
          </Button>
        </div>
      )}
    </Card>
  );
}
