/** Everybody's usage: the same page over the whole installation, with people and teams. */
import { Page } from "../../components/Page";
import { Analytics } from "../../concepts/usage/Analytics";
import { useSay } from "../../lib/i18n";
import { useListState } from "../../lib/listState";

export default function AdminUsage() {
  const say = useSay();
  const list = useListState();
  return (
    <Page title={say("usage_analytics")} subtitle={say("usage_analytics_subtitle")}>
      <Analytics list={list} scope="all" dimensions={["user", "team", "model", "provider", "key", "cost_centre", "workshop"]} />
    </Page>
  );
}
