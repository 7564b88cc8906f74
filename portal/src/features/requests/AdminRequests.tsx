/** The request log: the calls of everybody. */
import { Page } from "../../components/Page";
import { useSay } from "../../lib/i18n";
import { RequestLog } from "../../concepts/requests/RequestLog";

export default function AdminRequests() {
  const say = useSay();
  return (
    <Page title={say("requests")} subtitle={say("admin_requests_subtitle")}>
      <RequestLog scope="all" />
    </Page>
  );
}
