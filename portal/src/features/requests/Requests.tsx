/** The request log: one's own calls. */
import { Page } from "../../components/Page";
import { useSay } from "../../lib/i18n";
import { RequestLog } from "../../concepts/requests/RequestLog";

export default function Requests() {
  const say = useSay();
  return (
    <Page title={say("requests")} subtitle={say("requests_subtitle")}>
      <RequestLog scope="me" />
    </Page>
  );
}
