/** To which models do I have access, and what was decided? */
import { Button } from "@patternfly/react-core/dist/esm/components/Button";
import { useState } from "react";
import { Link } from "react-router";
import { Facts } from "../../components/Card";
import { Confirm, FormDialog } from "../../components/Dialog";
import { Area } from "../../components/fields";
import { Filter, Search, SortChoice, Toolbar } from "../../components/Filters";
import { Meter } from "../../components/Meter";
import { Page } from "../../components/Page";
import { Pager } from "../../components/Pager";
import { Empty, Loaded } from "../../components/States";
import { Status } from "../../components/Status";
import { contextWord, priceFacts } from "../../concepts/models/words";
import { AddToKeys } from "../../concepts/subscriptions/AddToKeys";
import { History } from "../../concepts/subscriptions/History";
import { SUBSCRIPTION_STATES } from "../../concepts/subscriptions/states";
import { useGet, useSend, type Reply } from "../../lib/api";
import { day } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import type { Key } from "../../lib/keys";
import { listQuery, useListState } from "../../lib/listState";
import { useMay } from "../../lib/session";
import { tell } from "../../lib/toasts";

type Subscription = Reply<"/api/v1/subscriptions", "get">["data"][number];

export default function Subscriptions() {
  const say = useSay();
  const list = useListState({ limit: 12 });
  const found = useGet("/api/v1/subscriptions", { query: listQuery(list, ["statuses", "models"]) as never }, { keep: true });
  return (
    <Page title={say("subscriptions")} subtitle={say("subscriptions_subtitle")}>
      <Toolbar search={<Search list={list} label={say("search_subscriptions")} />}>
        <Filter list={list} name="statuses" label={say("state")} options={SUBSCRIPTION_STATES.map((value) => ({ value, text: say(`status_${value}` as Key) }))} all={say("open_ones")} />
        <SortChoice
          list={list}
          usual={say("newest")}
          options={[
            { value: "model_name", text: say("name"), order: "asc" },
            { value: "status", text: say("state"), order: "asc" },
            { value: "status_changed_at", text: say("last_changed"), order: "desc" },
            { value: "expires_at", text: say("expires"), order: "asc" },
          ]}
        />
      </Toolbar>
      <Loaded query={found} rows={8}>
        {({ data, pagination }) =>
          data.length === 0 ? (
            list.isNarrowed ? (
              <Empty title={say("nothing_fits")} action={<Button variant="secondary" onClick={list.clear}>{say("clear_filters")}</Button>} />
            ) : (
              <Empty title={say("no_subscriptions")} text={say("no_subscriptions_text")} action={<Link to="/models">{say("start_pick_model")}</Link>} />
            )
          ) : (
            <>
              <Pager list={list} pagination={pagination} sizes={[12, 24, 48]} />
              <div className="lm-cards">
                {data.map((subscription) => (
                  <Item key={subscription.id} subscription={subscription} />
                ))}
              </div>
            </>
          )
        }
      </Loaded>
    </Page>
  );
}

function Item({ subscription }: { subscription: Subscription }) {
  const say = useSay();
  const holds = useMay();
  const may = holds("subscriptions:write");
  const [open, setOpen] = useState<"cancel" | "review" | "history" | "add" | null>(null);
  const cancel = useSend("post", "/api/v1/subscriptions/{subscription_id}/cancel");
  const again = useSend("post", "/api/v1/subscriptions");
  const { model, status } = subscription;
  const path = { subscription_id: subscription.id };
  const canCancel = ["pending", "active", "denied", "suspended"].includes(status);
  const canAgain = ["cancelled", "expired", "inactive"].includes(status);
  return (
    <article className="lm-card">
      <header>
        <h2>
          <Link to={`/models/${model.id}`}>{model.name}</Link>
        </h2>
        <Status value={status} />
      </header>
      {subscription.status_reason && <p className={status === "denied" || status === "suspended" ? "lm-banner lm-warning" : "lm-subtle"}>{subscription.status_reason}</p>}
      <Facts
        facts={[
          [say("team"), subscription.holder.kind === "team" && <Link to={`/teams/${subscription.holder.id}`}>{subscription.holder.name}</Link>],
          [say("context"), model.context_length && contextWord(model.context_length)],
          ...priceFacts(say, model.type, model.pricing),
          [say("since"), day(subscription.status_changed_at)],
          [say("expires"), subscription.expires_at && day(subscription.expires_at)],
        ]}
      />
      {subscription.quota_requests != null && <Meter named unit="count" used={subscription.used_requests} limit={subscription.quota_requests} label={say("quota_requests")} />}
      {subscription.quota_tokens != null && <Meter named unit="count" used={subscription.used_tokens} limit={subscription.quota_tokens} label={say("quota_tokens")} />}
      <footer>
        <Button variant="link" isInline onClick={() => setOpen("history")}>
          {say("history")}
        </Button>
        {holds("api_keys:write") && status === "active" && (
          <>
            <Button variant="link" isInline onClick={() => setOpen("add")}>
              {say("add_to_key")}
            </Button>
            <Link to={`/api-keys?create=${encodeURIComponent(model.name)}`}>{say("create_key")}</Link>
          </>
        )}
        {may && status === "denied" && (
          <Button variant="link" isInline onClick={() => setOpen("review")}>
            {say("request_review")}
          </Button>
        )}
        {may && canAgain && (
          <Button variant="link" isInline isLoading={again.isPending} onClick={() => again.mutate({ body: { model_id: model.id, key_ids: [] } }, { onError: (error) => tell("danger", say("not_subscribed_again"), error) })}>
            {say("subscribe_again")}
          </Button>
        )}
        {may && canCancel && (
          <Button variant="link" isInline isDanger onClick={() => setOpen("cancel")}>
            {say("cancel_subscription")}
          </Button>
        )}
      </footer>
      {open === "cancel" && (
        <Confirm title={say("cancel_subscription_to", { model: model.name })} text={<CancelText name={model.name} />} submit={say("cancel_subscription")} close={() => setOpen(null)} act={() => cancel.mutateAsync({ path })} />
      )}
      {open === "add" && <AddToKeys model={model.name} team={subscription.holder.kind === "team" ? subscription.holder.id : null} close={() => setOpen(null)} />}
      {open === "review" && <Review subscription={subscription} close={() => setOpen(null)} />}
      {open === "history" && <History id={subscription.id} title={model.name} close={() => setOpen(null)} />}
    </article>
  );
}

function CancelText({ name }: { name: string }) {
  const say = useSay();
  const keys = useGet("/api/v1/keys", { query: { model: name, limit: 100 } }).data;
  return (
    <>
      <p>{say("cancel_subscription_text")}</p>
      {keys && keys.pagination.total > 0 && (
        <p>
          {say("keys_lose_model", { count: keys.pagination.total })} {keys.data.map((key) => key.name).join(", ")}
        </p>
      )}
    </>
  );
}

function Review({ subscription, close }: { subscription: Subscription; close: () => void }) {
  const say = useSay();
  const review = useSend("post", "/api/v1/subscriptions/{subscription_id}/request-review");
  const [comment, setComment] = useState("");
  const [missing, setMissing] = useState(false);
  const send = async () => {
    if (!comment.trim()) return setMissing(true);
    await review.mutateAsync({ path: { subscription_id: subscription.id }, body: { comment } }).then(() => {
      tell("success", say("review_requested"));
      close();
    }, () => undefined);
  };
  return (
    <FormDialog title={say("request_review")} submit={say("send")} close={close} send={send} busy={review.isPending} error={review.error}>
      <Area label={say("comment")} value={comment} onChange={(value) => { setComment(value); setMissing(false); }} isRequired error={missing ? say("field_required") : undefined} />
    </FormDialog>
  );
}
