/** All notifications that are kept, page by page. */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { Filter, Toolbar } from "../../components/Filters";
import { Page } from "../../components/Page";
import { Pager } from "../../components/Pager";
import { Empty, Loaded } from "../../components/States";
import { Items } from "../../concepts/notifications/Items";
import { useGet, useSend } from "../../lib/api";
import { useSay } from "../../lib/i18n";
import { listQuery, useListState } from "../../lib/listState";

export default function Notifications() {
  const say = useSay();
  const list = useListState();
  const found = useGet("/api/v1/notifications", { query: listQuery(list, ["unread"]) }, { keep: true });
  const readAll = useSend("post", "/api/v1/notifications/read-all");
  return (
    <Page
      title={say("notifications")}
      subtitle={say("notifications_subtitle")}
      actions={
        <Button variant="secondary" isLoading={readAll.isPending} onClick={() => readAll.mutate({})}>
          {say("mark_all_read")}
        </Button>
      }
    >
      <Toolbar>
        <Filter list={list} name="unread" label={say("show")} options={[{ value: "true", text: say("unread_only") }]} />
      </Toolbar>
      <Loaded query={found}>
        {({ data, pagination }) =>
          data.length === 0 ? (
            <Empty title={say("no_notifications")} text={say("no_notifications_text")} />
          ) : (
            <>
              <Pager list={list} pagination={pagination} />
              <Items notices={data} />
            </>
          )
        }
      </Loaded>
    </Page>
  );
}
