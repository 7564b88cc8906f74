// What does every journey stand on? A browser, people who are signed in, the portal's own words, and axe.
//   LITEMAAS_CONTROL_URL=… LITEMAAS_GATEWAY_URL=… LITEMAAS_SIM_URL=… node --test tests/journeys/*.test.mjs
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { launch, signedIn } from "../../scripts/browser.mjs";
import { readTexts } from "../../scripts/texts.mjs";

export const base = process.env.LITEMAAS_CONTROL_URL;
export const gateway = process.env.LITEMAAS_GATEWAY_URL;
export const engine = process.env.LITEMAAS_SIM_URL;
export const MODEL = "granite-3.3-8b";
export const RESTRICTED = "qwen3-8b";
export const WITHIN_MS = 20_000;

const { namespaces } = readTexts();

/** A text of the portal, so that a journey does not break when somebody finds a better word. */
export function say(key, values = {}, language = "en") {
  const find = (name) => Object.values(namespaces).map((texts) => texts[language][name]).find((text) => text !== undefined);
  const rule = typeof values.count === "number" ? new Intl.PluralRules(language).select(values.count) : undefined;
  const text = (rule && (find(`${key}_${rule}`) ?? find(`${key}_other`))) ?? find(key);
  assert.ok(text, `no text ${key}`);
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

let browser;
let open = [];

/** A test that leaves a picture of every open page behind when it fails, in the folder JOURNEY_PICTURES. */
export function journey(name, steps) {
  test(name, { timeout: 120_000 }, async () => {
    open = [];
    try {
      await steps();
    } catch (failure) {
      const folder = process.env.JOURNEY_PICTURES;
      if (folder) {
        mkdirSync(folder, { recursive: true });
        const path = (index) => `${folder}/${name.replace(/\W+/g, "-").slice(0, 60)}-${index}.png`;
        await Promise.allSettled(open.map(({ page }, index) => page.screenshot({ path: path(index), fullPage: true })));
        failure.message += `\n(at ${open.map(({ page }) => page.url()).join(", ")}; pictures in ${folder})`;
      }
      throw failure;
    } finally {
      await Promise.allSettled(open.map(({ context }) => context.close()));
    }
  });
}

/** Starts and ends the browser of a file of journeys. */
export function useBrowser() {
  before(async () => {
    browser = await launch();
  });
  after(() => browser.close());
}

/** A page of somebody's; `null` is not signed in. */
export async function visit(person, path = "/", options = {}) {
  const opened = await signedIn(browser, base, person, options);
  open.push(opened);
  opened.page.setDefaultTimeout(WITHIN_MS);
  await opened.page.goto(base + path);
  return opened;
}

/** Ends a page; nothing may have gone wrong in it that nobody saw. */
export async function leave({ context, troubles }) {
  await context.close();
  assert.deepEqual(troubles, []);
}

/** A call of the API with the person's session. */
export async function ask(context, method, path, data) {
  const { csrf_token } = await (await context.request.get(`${base}/api/v1/auth/session`)).json();
  const answer = await context.request.fetch(base + path, { method, headers: { "X-CSRF-Token": csrf_token }, ...(data ? { data } : {}) });
  assert.ok(answer.ok(), `${method} ${path}: ${answer.status()} ${await answer.text()}`);
  return answer.status() === 204 ? null : answer.json();
}

/** The person makes a key and one call with it, and waits until figures show it: without any, there are no charts. Gives the key. */
export async function callOnce(context, name) {
  const [model] = (await ask(context, "GET", `/api/v1/models?search=${MODEL}`)).data;
  if (!model.subscription) await ask(context, "POST", "/api/v1/subscriptions", { model_id: model.id });
  const { key } = await ask(context, "POST", "/api/v1/keys", { name, models: [MODEL] });
  await ask(context, "POST", "/api/v1/playground/chat", { key_id: key.id, model: MODEL, messages: [{ role: "user", content: "Hello!" }], parameters: { stream: false } });
  const isShown = async () => (await ask(context, "GET", "/api/v1/usage/analytics?scope=me")).requests.total > 0;
  for (let tries = 0; tries < 80 && !(await isShown()); tries += 1) await new Promise((over) => setTimeout(over, 250));
  return key;
}

/** What axe calls serious or critical, one line each; of what `within` selects. */
export async function barriers(page, rules, within = "html") {
  await page.evaluate(axe.source);
  const options = { resultTypes: ["violations"], runOnly: rules ? { type: "rule", values: rules } : { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] } };
  const { violations } = await page.evaluate(([part, wanted]) => globalThis.axe.run(part, wanted), [within, options]);
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.slice(0, 3).map((node) => `${id}: ${node.html.slice(0, 160)} ${node.any.map((check) => check.message).join(" ").slice(0, 160)}`));
}

/** The page shows data: no skeleton is left. */
export async function settled(page) {
  await page.locator("h1").first().waitFor();
  await page.waitForLoadState("networkidle");
  await page.locator(".lm-skeleton").first().waitFor({ state: "detached" });
}

/** Nothing moves or fades any more; a colour on its way to another one is nobody's. */
export async function still(page) {
  await page.evaluate(() => new Promise(requestAnimationFrame));
  await page.evaluate(() => Promise.allSettled(document.getAnimations().filter(({ effect }) => effect.getComputedTiming().endTime !== Infinity).map(({ finished }) => finished)));
}

export const file = async (download) => readFileSync(await download.path(), "utf8");
