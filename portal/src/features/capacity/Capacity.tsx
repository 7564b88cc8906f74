/** What do the model servers do now, would more people fit, and which workshops are coming? */
import { Page } from "../../components/Page";
import { Empty, Loaded } from "../../components/States";
import { useGet } from "../../lib/api";
import { moment } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { Ahead } from "./Ahead";
import { History } from "./History";
import { ModelCard } from "./ModelCard";
import { WhatIf } from "./WhatIf";

const EVERY_MS = 10_000;

export default function Capacity() {
  const say = useSay();
  const found = useGet("/api/v1/admin/capacity", {}, { refetchInterval: EVERY_MS, keep: true });
  return (
    <Page title={say("capacity")} subtitle={say("capacity_subtitle")}>
      <div className="lm-stack">
        <Loaded query={found} rows={8}>
          {(data) => (
            <>
              <p className={data.workers === 0 || data.silent_workers > 0 ? "lm-banner lm-warning" : "lm-subtle"}>
                <span>
                  {data.workers === 0 ? say("no_workers") : say("workers_now", { count: data.workers })} {data.silent_workers > 0 && say("workers_silent", { count: data.silent_workers })} {say("as_of", { time: moment(data.as_of) })}
                </span>
              </p>
              {data.models.length === 0 && <Empty title={say("capacity_no_models")} />}
              {data.models.map((model) => (
                <ModelCard key={model.model_id} model={model} known={data.workers > 0} />
              ))}
              <History models={data.models.map((model) => model.name)} />
              <div className="lm-columns">
                <WhatIf models={data.models.map((model) => model.name)} />
                <Ahead />
              </div>
            </>
          )}
        </Loaded>
      </div>
    </Page>
  );
}
