/** The catalogue: which models are there, what do they cost, which may I use? */
import { Label } from "@patternfly/react-core/dist/esm/components/Label";
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import LockIcon from "@patternfly/react-icons/dist/esm/icons/lock-icon";
import { Link } from "react-router";
import { Facts } from "../../components/Card";
import { Filter, Search, SortChoice, Toolbar, type Option } from "../../components/Filters";
import { Page } from "../../components/Page";
import { Pager } from "../../components/Pager";
import { Empty, Failure, Loading } from "../../components/States";
import { Status } from "../../components/Status";
import { Capabilities, capabilityWord, contextWord, hasFirstToken, priceFacts, shownName, TYPES, typeWord, type CatalogueEntry } from "../../concepts/models/words";
import { useGet } from "../../lib/api";
import { day, milliseconds } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { listQuery, useListState } from "../../lib/listState";

const FILTERS = ["type", "provider", "capability", "restricted", "subscription", "tag", "health"];
const HEALTH = ["healthy", "degraded", "unavailable", "unknown"] as const;
const SIZES = [12, 24, 48];

export default function Models() {
  const say = useSay();
  const list = useListState({ limit: 12 });
  const models = useGet("/api/v1/models", { query: listQuery(list, FILTERS) }, { keep: true });
  const facets = useGet("/api/v1/models/facets").data;
  const options = (counts: Record<string, number> | undefined, word: (name: string) => string): Option[] =>
    Object.entries(counts ?? {}).map(([value, n]) => ({ value, text: `${word(value)} (${n})` }));
  return (
    <Page title={say("models")} subtitle={say("models_subtitle")}>
      <Toolbar search={<Search list={list} label={say("search_models")} />}>
        <Filter list={list} name="type" label={say("type")} options={TYPES.filter((type) => facets?.type[type]).map((type) => ({ value: type, text: `${typeWord(say, type)} (${facets?.type[type]})` }))} />
        <Filter list={list} name="provider" label={say("provider")} options={options(facets?.provider, String)} />
        <Filter list={list} name="capability" label={say("capability")} options={options(facets?.capability, (name) => capabilityWord(say, name))} />
        <Filter list={list} name="restricted" label={say("access")} options={[{ value: "false", text: say("access_open") }, { value: "true", text: say("restricted") }]} />
        <Filter
          list={list}
          name="subscription"
          label={say("my_subscription")}
          options={[...["active", "pending", "denied", "suspended"].map((value) => ({ value, text: say(`status_${value}` as "status_active") })), { value: "none", text: say("not_subscribed") }]}
        />
        <Filter list={list} name="health" label={say("health")} options={HEALTH.map((value) => ({ value, text: say(`status_${value}`) }))} />
        <SortChoice list={list} usual={say("name")} options={[{ value: "price", text: say("price") }, { value: "latency", text: say("latency") }, { value: "created_at", text: say("newest") }, { value: "context_length", text: say("context") }, { value: "provider", text: say("provider") }]} />
      </Toolbar>
      {models.error && !models.data && <Failure error={models.error} retry={() => void models.refetch()} />}
      {!models.data && !models.error && <Loading rows={8} />}
      {models.data &&
        (models.data.data.length === 0 ? (
          list.isNarrowed ? (
            <Empty title={say("nothing_fits")} action={<Button variant="secondary" onClick={list.clear}>{say("clear_filters")}</Button>} />
          ) : (
            <Empty title={say("no_models")} text={say("no_models_text")} />
          )
        ) : (
          <div className={models.isPlaceholderData ? "lm-busy" : ""}>
            <Pager list={list} pagination={models.data.pagination} sizes={SIZES} />
            <div className="lm-cards">
              {models.data.data.map((model) => (
                <ModelCard key={model.id} model={model} />
              ))}
            </div>
          </div>
        ))}
    </Page>
  );
}

function ModelCard({ model }: { model: CatalogueEntry }) {
  const say = useSay();
  return (
    <article className="lm-card">
      <header>
        <h2>
          <Link to={`/models/${model.id}`}>{shownName(model)}</Link>
        </h2>
        <span className="lm-labels">
          {model.restricted_access && (
            <Label isCompact icon={<LockIcon />} color="orange">
              {say("restricted")}
            </Label>
          )}
          {model.status === "deprecated" && <Status value="deprecated" />}
          {model.subscription && <Status value={model.subscription.status} />}
        </span>
      </header>
      <p className="lm-clip">{model.description}</p>
      <Facts
        facts={[
          [say("type"), typeWord(say, model.type)],
          [say("context"), model.context_length && contextWord(model.context_length)],
          ...priceFacts(say, model.type, model.pricing),
          [say("ttft"), hasFirstToken(model.type) && model.ttft_p50_ms != null && milliseconds(model.ttft_p50_ms)],
          [say("latency"), model.latency_p50_ms != null && milliseconds(model.latency_p50_ms)],
          [say("retires"), model.retires_at && day(model.retires_at)],
        ]}
      />
      <footer>
        {model.health !== "unknown" && <Status value={model.health} />}
        <Capabilities names={model.capabilities} />
      </footer>
    </article>
  );
}
