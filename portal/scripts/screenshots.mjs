// What does every page look like? Pictures in light, dark and on a phone, for a person to look at.
//   LITEMAAS_CONTROL_URL=http://127.0.0.1:8080 node scripts/screenshots.mjs [FOLDER] [PATH…]
import { mkdirSync } from "node:fs";
import { launch, signedIn } from "./browser.mjs";

const base = process.env.LITEMAAS_CONTROL_URL;
const [folder = "screenshots", ...only] = process.argv.slice(2);
/** Calls of the API with somebody's session. */
async function api(context) {
  const { csrf_token, user } = await (await context.request.get(`${base}/api/v1/auth/session`)).json();
  const headers = { "X-CSRF-Token": csrf_token };
  const ask = async (method, path, data) => {
    const answer = await context.request.fetch(base + path, { method, headers, ...(data ? { data } : {}) });
    if (!answer.ok()) throw new Error(`${method} ${path}: ${answer.status()} ${await answer.text()}`);
    return answer.status() !== 204 && (answer.headers()["content-type"] ?? "").includes("json") ? answer.json() : null;
  };
  return { ask, user };
}

/** Somebody with two subscriptions, a key that was used, and a request that waits: pages without anything say little. */
async function life() {
  const boss = await signedIn(browser, base, "admin");
  const admin = await api(boss.context);
  const models = (await admin.ask("GET", "/api/v1/admin/models?limit=100")).data;
  const id = (name) => models.find((model) => model.name === name).id;
  await admin.ask("POST", `/api/v1/admin/models/${id("qwen3-8b")}/restrict`, { restricted_access: true, existing: "keep" });
  const person = await signedIn(browser, base, "user");
  const { ask, user } = await api(person.context);
  for (const name of ["granite-3.3-8b", "nomic-embed-text-v1.5"]) await ask("POST", "/api/v1/subscriptions", { model_id: id(name), key_ids: [] });
  await ask("POST", "/api/v1/subscriptions", { model_id: id("qwen3-8b"), key_ids: [], justification: "For comparing answers in the course" });
  const soon = new Date(Date.now() + 5 * 86_400_000).toISOString();
  const { key } = await ask("POST", "/api/v1/keys", { name: "Notebook", description: "For the analysis of interviews", models: ["granite-3.3-8b", "nomic-embed-text-v1.5"], max_budget_nano: 5e9, budget_duration: "monthly", expires_at: soon });
  const talk = (content) => ask("POST", "/api/v1/playground/chat", { key_id: key.id, model: "granite-3.3-8b", messages: [{ role: "user", content }], parameters: { stream: true, max_tokens: 200 } });
  for (const content of ["Hello!", "What is a token?", "Thank you."]) await talk(content);
  const spent = await ask("POST", "/api/v1/keys", { name: "Spent", models: ["granite-3.3-8b"], max_budget_nano: 0 });
  const refused = { key_id: spent.key.id, model: "granite-3.3-8b", messages: [{ role: "user", content: "Once more" }], parameters: { stream: false } };
  await ask("POST", "/api/v1/playground/chat", refused).catch(() => undefined); // a chart of errors needs one
  await house(admin);
  await admin.ask("POST", "/api/v1/teams", { name: "Research", description: "Interviews and surveys", max_budget_nano: 50e9, budget_duration: "monthly" }).then((team) => admin.ask("POST", `/api/v1/teams/${team.id}/members`, { username: user.username, role: "admin" }));
  await person.context.close();
  await boss.context.close();
}

/** A guardrail of one's own, and what discovery would tell of a cluster. */
async function house({ ask }) {
  const company = { mode: ["pre_call", "post_call"], default_on: true, patterns: [{ pattern_type: "prebuilt", pattern_name: "email", action: "MASK" }], blocked_words: [{ keyword: "project heron", action: "BLOCK" }] };
  await ask("PUT", "/api/v1/admin/settings/guardrails", { guardrails: [{ guardrail_name: "company", litellm_params: { guardrail: "litellm_content_filter", ...company } }] });
  const at = (name) => `hub/InferenceService/llm-hosting/${name}`;
  await ask("PUT", "/api/v1/admin/discovery/hub", {
    namespaces: ["llm-hosting"],
    servers: {
      [at("granite")]: { state: "adopted", model: "granite-3.3-8b", reason: null },
      [at("mistral")]: { state: "not_ready", model: "mistral-small", reason: null },
      [at("phi")]: { state: "refused", model: null, reason: "litemaas.io/publish must be draft or available" },
    },
  });
}

/** A workshop with a seat that is taken, so that its pages show something. */
async function workshop() {
  const { context } = await signedIn(browser, base, "admin");
  const { ask, user } = await api(context);
  const soon = (hours) => new Date(Date.now() + hours * 3_600_000).toISOString();
  const data = { title: "Prompting for beginners", description: "Bring a laptop and a question.", organisers: [user.username], time_zone: "Europe/Berlin", starts_at: soon(-1), ends_at: soon(3), seats: 12, claim_mode: "seat_codes", models: ["granite-3.3-8b"], pot_nano: 5e9, limits: { budget_nano: 1e9 } };
  const made = await ask("POST", "/api/v1/workshops", data);
  const { seats } = await ask("GET", `/api/v1/workshops/${made.guid}/handouts`);
  const claim = async (request, seat, nickname) => request.post(`${base}/api/v1/claims/${made.guid}`, { data: { code: seat.code, nickname } });
  for (const [index, nickname] of ["Mia", "Noa", "Kim"].entries()) {
    const { context: phone } = await signedIn(browser, base, null);
    await claim(phone.request, seats[index], nickname);
    if (index < 2) await phone.request.post(`${base}/api/v1/claims/${made.guid}/seat/try`, { data: { model: "granite-3.3-8b" } });
    await phone.close();
  }
  await context.close();
  const free = seats.slice(3);
  return { guid: made.guid, sit: (request) => claim(request, free.shift(), "Ada") };
}

const OWN = ["/", "/models", "/subscriptions", "/api-keys", "/playground", "/usage", "/requests", "/teams", "/notifications", "/profile", "/nothing-here"];
const ADMIN = ["/", "/admin/usage", "/admin/models", "/admin/models/new", "/admin/subscriptions", "/admin/users", "/admin/requests", "/admin/capacity", "/admin/chargeback", "/admin/audit", "/workshops", "/workshops/new", ...["limits", "banners", "branding", "currency", "guardrails", "notifications", "backup", "capture", "discovery", "general"].map((tab) => `/admin/settings/${tab}`)];
const LOOKS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  phone: { colorScheme: "light", viewport: { width: 360, height: 780 }, isMobile: true, hasTouch: true },
};

/** Places with an id in them, found through the lists. */
async function details(context, person) {
  const first = async (path) => (await (await context.request.get(`${base}${path}`)).json().catch(() => ({}))).data?.[0]?.id;
  const found = [];
  const add = async (list, place) => {
    const id = await first(list);
    if (id) found.push(place(encodeURIComponent(id)));
  };
  await add("/api/v1/models?search=granite", (id) => `/models/${id}`);
  await add("/api/v1/keys", (id) => `/api-keys/${id}`);
  await add("/api/v1/keys", (id) => `/api-keys/${id}?tab=code`);
  await add("/api/v1/keys", (id) => `/api-keys/${id}?tab=blocked`);
  if (person === "user") found.push("/api-keys?create=");
  await add("/api/v1/teams", (id) => `/teams/${id}`);
  if (person === "admin") {
    await add("/api/v1/admin/models", (id) => `/admin/models/${id}`);
    await add("/api/v1/admin/users", (id) => `/admin/users/${id}`);
    await add("/api/v1/admin/users", (id) => `/admin/users/${id}?tab=keys`);
  }
  return found;
}

const browser = await launch();
mkdirSync(folder, { recursive: true });
await life();
const { guid, sit } = await workshop();
const event = `/workshops/${guid}`;
ADMIN.push(event, `${event}?view=projector`, `${event}/handouts`);
let bad = 0;
for (const [look, options] of Object.entries(LOOKS)) {
  for (const [person, places] of [[null, ["/login", `/claim/${guid}`, "/claim/nothing"]], ["seat", [`/claim/${guid}`]], ["user", OWN], ["admin", ADMIN]]) {
    const isPerson = person === "user" || person === "admin";
    const { context, page, troubles } = await signedIn(browser, base, isPerson ? person : null, options);
    if (person === "seat") await sit(context.request);
    const all = isPerson ? [...places, ...(await details(context, person))] : places;
    for (const place of all.filter((path) => only.length === 0 || only.some((one) => path.startsWith(one)))) {
      await page.goto(base + place);
      await page.waitForLoadState("networkidle");
      await page.locator(".lm-skeleton").first().waitFor({ state: "detached", timeout: 20_000 }).catch(() => undefined);
      await page.waitForTimeout(600);
      const tooWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1);
      const name = `${person ?? "nobody"}${place.replace(/[^a-z0-9]+/gi, "-").replace(/-(ws-[0-9a-f]+|[0-9a-f-]{30,})/, "-id")}`;
      await page.screenshot({ path: `${folder}/${name}.${look}.png` });
      if (tooWide || troubles.length) {
        bad += 1;
        console.log(`${name}.${look}: ${tooWide ? "wider than the screen " : ""}${troubles.splice(0).join(" | ").slice(0, 600)}`);
      }
    }
    await context.close();
  }
}
await browser.close();
console.log(`pictures are in ${folder}; ${bad} pages have something to mend`);
