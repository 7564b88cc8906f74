/** What administrators set while it runs; each tab has its own address. */
import { useParams } from "react-router";
import { lazy } from "react";
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { Page } from "../../components/Page";
import { Empty } from "../../components/States";
import { Tabs } from "../../components/Tabs";
import { useSay } from "../../lib/i18n";
import { useMay } from "../../lib/session";

const TABS = {
  limits: lazy(() => import("./Limits")),
  banners: lazy(() => import("./Banners")),
  branding: lazy(() => import("./Branding")),
  currency: lazy(() => import("./Currency")),
  guardrails: lazy(() => import("./Guardrails")),
  notifications: lazy(() => import("./Channels")),
  capture: lazy(() => import("./Capture")),
  backup: lazy(() => import("./Backup")),
  discovery: lazy(() => import("./Discovery")),
  general: lazy(() => import("./General")),
};

export default function Settings() {
  const say = useSay();
  const may = useMay();
  const { tab = "limits" } = useParams();
  const Shown = tab === "backup" && !may("admin:backup") ? undefined : TABS[tab as keyof typeof TABS];
  return (
    <Page
      title={say("settings")}
      subtitle={say("settings_subtitle")}
      labels={!may("admin:settings:write") && <Label isCompact>{say("read_only")}</Label>}
    >
      <Tabs
        label={say("settings")}
        current={tab}
        tabs={(Object.keys(TABS) as (keyof typeof TABS)[]).filter((key) => key !== "backup" || may("admin:backup")).map((key) => ({ key, text: say(`tab_${key}`), to: `/admin/settings/${key}` }))}
      />
      {Shown ? <Shown /> : <Empty title={say("page_not_found")} />}
    </Page>
  );
}
