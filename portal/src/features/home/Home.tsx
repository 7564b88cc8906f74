/** Home: where do I stand, and what should I do next? Cards that load by themselves. */
import { lazy, Suspense } from "react";
import { Link } from "react-router";
import { Card } from "../../components/Card";
import { Meter } from "../../components/Meter";
import { Spark } from "../../components/Spark";
import { Page } from "../../components/Page";
import { Loaded } from "../../components/States";
import { Trend } from "../../concepts/usage/Trend";
import { useGet } from "../../lib/api";
import { ago, count, day, daysAgo, money, percent } from "../../lib/format";
import { useSay } from "../../lib/i18n";
import { useMay, useSession } from "../../lib/session";

const Lately = lazy(() => import("./Lately"));
const Administration = lazy(() => import("./Administration"));

export default function Home() {
  const say = useSay();
  const may = useMay();
  const { session } = useSession();
  return (
    <Page title={say("hello", { name: session?.user.full_name || session?.user.username || "" })} subtitle={say("home_subtitle")}>
      <div className="lm-columns">
        {may("api_keys:write") && <Start />}
        {may("usage:read") && <Spend />}
        {may("usage:read") && <Budgets />}
        {may("api_keys:read") && <Keys />}
        {may("subscriptions:read") && <Access />}
        <Suspense fallback={null}>
          <Lately />
        </Suspense>
        {(may("admin:health") || may("admin:subscriptions:read")) && (
          <Suspense fallback={null}>
            <Administration />
          </Suspense>
        )}
      </div>
    </Page>
  );
}

/** The first five minutes; gone once there was a call. */
function Start() {
  const say = useSay();
  const subscriptions = useGet("/api/v1/subscriptions", { query: { limit: 1, statuses: ["active"] } });
  const keys = useGet("/api/v1/keys", { query: { limit: 1 } });
  const usage = useGet("/api/v1/usage/analytics", { query: { scope: "me", start_date: daysAgo(29), end_date: daysAgo(0) } });
  if (!subscriptions.data || !keys.data || !usage.data || usage.data.requests.total > 0) return null;
  const steps = [
    { done: subscriptions.data.pagination.total > 0, to: "/models", text: say("start_pick_model") },
    { done: keys.data.pagination.total > 0, to: "/api-keys?create=", text: say("start_make_key") },
    { done: false, to: keys.data.data[0] ? `/api-keys/${keys.data.data[0].id}?tab=code` : "/api-keys", text: say("start_copy_code") },
    { done: false, to: "/playground", text: say("start_playground") },
  ];
  const next = steps.findIndex((step) => !step.done);
  return (
    <Card title={say("get_started")} wide>
      <ol className="lm-steps">
        {steps.map((step, index) => (
          <li key={step.text} className={step.done ? "lm-done" : ""}>
            {step.done ? (
              <span>
                {step.text} <span className="pf-v6-screen-reader">({say("done")})</span>
              </span>
            ) : (
              <Link to={step.to} className={index === next ? "lm-next" : ""}>
                {step.text}
              </Link>
            )}
          </li>
        ))}
      </ol>
    </Card>
  );
}

function Spend() {
  const say = useSay();
  const usage = useGet("/api/v1/usage/analytics", { query: { scope: "me", start_date: daysAgo(29), end_date: daysAgo(0) } });
  return (
    <Card title={say("last_n_days", { count: 30 })} aside={<Link to="/usage">{say("usage")}</Link>}>
      <Loaded query={usage}>
        {(data) => (
          <>
            <div className="lm-big">
              <strong>{money(data.cost.total_nano)}</strong>
              <span>{say("n_requests", { count: data.requests.total })}</span>
              <Trend trends={data.trends} metric="cost_nano" />
            </div>
            <Spark values={data.daily.map((one) => one.cost_nano)} label={say("spend_over_30_days", { least: money(Math.min(...data.daily.map((one) => one.cost_nano))), most: money(Math.max(...data.daily.map((one) => one.cost_nano))) })} />
            <p className="lm-subtle">
              {say("success_rate")}: {percent(data.success_rate)}
              {data.requests.blocked > 0 && (
                <>
                  {" · "}
                  <Link to="/requests?status=refused">{say("n_blocked", { count: data.requests.blocked })}</Link>
                </>
              )}
            </p>
          </>
        )}
      </Loaded>
    </Card>
  );
}

function Budgets() {
  const say = useSay();
  const budgets = useGet("/api/v1/usage/budget");
  return (
    <Card title={say("budgets")}>
      <Loaded query={budgets}>
        {({ data }) =>
          data.length === 0 ? (
            <p className="lm-subtle">{say("no_budget")}</p>
          ) : (
            <>
              {data.map((budget) => (
                <div key={`${budget.kind}:${budget.id}`}>
                  <strong>{budget.kind === "user" ? say("my_budget") : budget.name}</strong>
                  <Meter used={budget.spent_nano} limit={budget.limit_nano} label={budget.name} />
                  {budget.resets_at && <small className="lm-subtle">{say("resets_at", { time: day(budget.resets_at) })}</small>}
                </div>
              ))}
            </>
          )
        }
      </Loaded>
    </Card>
  );
}

const SOON_MS = 14 * 86_400_000;
const HALF_PERCENT = 50;

function Keys() {
  const say = useSay();
  const keys = useGet("/api/v1/keys", { query: { limit: 100 } });
  return (
    <Card title={say("api_keys")} aside={<Link to="/api-keys">{say("see_all")}</Link>}>
      <Loaded query={keys}>
        {({ data, pagination }) => {
          const soon = data.filter((key) => key.expires_at && key.state === "active" && Date.parse(key.expires_at) - Date.now() < SOON_MS);
          const blocked = data.filter((key) => key.state === "active" && key.blocked_by);
          const inGrace = data.filter((key) => key.old_secret_valid_until && Date.parse(key.old_secret_valid_until) > Date.now());
          const spent = data.filter((key) => key.state === "active" && (key.budget_utilisation ?? 0) > HALF_PERCENT);
          return (
            <>
              <div className="lm-big">
                <strong>{count(pagination.total)}</strong>
                <span>{say("key_word", { count: pagination.total })}</span>
              </div>
              {spent.map((key) => (
                <div key={key.id}>
                  <Link to={`/api-keys/${key.id}`}>{key.name}</Link>
                  <Meter used={key.spent_nano} limit={key.max_budget_nano} label={key.name} />
                </div>
              ))}
              <ul className="lm-items">
                {inGrace.map((key) => (
                  <li key={key.id}>
                    <Link to={`/api-keys/${key.id}`}>{key.name}</Link> <span className="lm-subtle">{say("old_value_ends", { when: ago(key.old_secret_valid_until) })}</span>
                  </li>
                ))}
                {soon.map((key) => (
                  <li key={key.id}>
                    <Link to={`/api-keys/${key.id}`}>{key.name}</Link> <span className="lm-fair">{say("expires_when", { when: ago(key.expires_at) })}</span>
                  </li>
                ))}
                {blocked.map((key) => (
                  <li key={key.id}>
                    <Link to={`/api-keys/${key.id}?tab=blocked`}>{key.name}</Link> <span className="lm-bad">{say("status_blocked")}</span>
                  </li>
                ))}
              </ul>
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

function Access() {
  const say = useSay();
  const found = useGet("/api/v1/subscriptions", { query: { limit: 6 } });
  return (
    <Card title={say("subscriptions")} aside={<Link to="/subscriptions">{say("see_all")}</Link>}>
      <Loaded query={found}>
        {({ data }) =>
          data.length === 0 ? (
            <>
              <p className="lm-subtle">{say("no_subscriptions")}</p>
              <Link to="/models">{say("start_pick_model")}</Link>
            </>
          ) : (
            <ul className="lm-items">
              {data.map((subscription) => (
                <li key={subscription.id} className="lm-row">
                  <Link to="/subscriptions">{subscription.model.name}</Link>
                  <span className={subscription.status === "active" ? "lm-good" : subscription.status === "denied" ? "lm-bad" : "lm-subtle"}>{say(`status_${subscription.status}`)}</span>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Card>
  );
}
