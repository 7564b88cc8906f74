// Is what opens above a page fit for everybody? Dialogs, menus and the drawer: no serious barrier, Escape closes, focus returns.
import assert from "node:assert/strict";
import { ask, barriers, base, callOnce, journey, leave, MODEL, say, settled, still, useBrowser, visit } from "./stage.mjs";

useBrowser();
const OPEN = "[role=dialog], [role=menu], .lm-drawer, .lm-beside [role=region]";
const dark = (page, on) => page.evaluate((wanted) => document.documentElement.classList.toggle("pf-v6-theme-dark", wanted), on);

/** Opens each of these by its button and looks at it in both themes. `names`: keys of texts, whole names, or patterns. */
async function open(page, place, names) {
  const found = [];
  await page.goto(base + place);
  await settled(page);
  for (const name of names) {
    const words = typeof name === "string" && /^[a-z_]+$/.test(name) ? say(name) : name;
    const button = page.getByRole("button", { name: words, exact: true }).first();
    if (!(await button.click({ timeout: 5_000 }).then(() => true, () => false))) {
      found.push(`${place} ${words}: there is no such button`);
      continue;
    }
    await page.locator(OPEN).first().waitFor();
    await page.locator(".lm-skeleton").first().waitFor({ state: "detached" });
    await still(page);
    const told = (line) => `${place} ${words}: ${line}`;
    found.push(...(await barriers(page, undefined, OPEN)).map(told));
    await dark(page, true);
    await still(page);
    found.push(...(await barriers(page, ["color-contrast"], OPEN)).map((line) => told(`(dark) ${line}`)));
    await dark(page, false);
    await still(page);
    await page.keyboard.press("Escape");
    await page.locator(OPEN).first().waitFor({ state: "detached", timeout: 3_000 }).catch(() => found.push(told("Escape does not close it")));
    const back = await button.evaluate((element) => document.activeElement === element || element.contains(document.activeElement)).catch(() => true);
    if (!back) found.push(told(`focus does not return, it is at ${await page.evaluate(() => document.activeElement?.outerHTML.slice(0, 80))}`));
    if (await page.locator(OPEN).count()) await page.goto(base + place);
  }
  return found;
}

journey("what people open has no serious barrier, closes with Escape and gives the focus back", async () => {
  const opened = await visit("user", "/");
  const { page, context } = opened;
  const key = await callOnce(context, "looked-at");
  const other = (await ask(context, "GET", "/api/v1/models?limit=20")).data.find((model) => !model.subscription);
  const found = [
    ...(await open(page, "/", [new RegExp(`${say("account")}$`), new RegExp(`^${say("notifications")}`)])),
    ...(await open(page, "/api-keys", ["create_key", say("actions_for", { name: "looked-at" })])),
    ...(await open(page, `/api-keys/${key.id}`, ["edit", "rotate", "reveal", "delete"])),
    ...(await open(page, `/models/${other.id}`, ["subscribe"])),
    ...(await open(page, "/subscriptions", ["add_to_key", "cancel_subscription"])),
    ...(await open(page, "/playground", ["saved_prompts", "show_as_code"])),
    ...(await open(page, "/usage", ["export", "full_screen"])),
    ...(await open(page, "/requests", [new RegExp(`^${say("details_of", { name: "" })}`)])),
    ...(await open(page, "/profile", ["create_token"])),
  ];
  assert.deepEqual(found, []);
  await leave(opened);
});

journey("what administrators open of models, people and requests has no serious barrier", async () => {
  const opened = await visit("admin", "/");
  const { page, context } = opened;
  const model = (await ask(context, "GET", `/api/v1/admin/models?name=${MODEL}`)).data[0];
  const person = (await ask(context, "GET", "/api/v1/admin/users?limit=1")).data[0];
  const subscription = (await ask(context, "GET", "/api/v1/admin/subscriptions?limit=1&statuses=active")).data[0];
  const found = [
    ...(await open(page, `/admin/models/${model.id}`, ["deprecate", "retire", "add_endpoint", "edit"])),
    ...(await open(page, "/admin/users", ["set_limits_of_all"])),
    ...(await open(page, `/admin/users/${person.id}`, ["deactivate"])),
    ...(await open(page, `/admin/users/${person.id}?tab=subscriptions`, ["grant_models"])),
    ...(await open(page, `/admin/users/${subscription.holder.id}?tab=subscriptions`, [say("edit_what", { what: subscription.model.name })])),
    ...(await open(page, "/admin/audit", [new RegExp(`^${say("details_of", { name: "" })}`)])),
  ];
  assert.deepEqual(found, []);
  await leave(opened);
});

journey("what administrators open of settings, usage, teams and workshops has no serious barrier", async () => {
  const opened = await visit("admin", "/");
  const { page, context } = opened;
  const { user } = await ask(context, "GET", "/api/v1/auth/session");
  const moment = (hours) => new Date(Date.now() + hours * 3_600_000).toISOString();
  const plan = { title: "Looked at", organisers: [user.username], time_zone: "UTC", starts_at: moment(-1), ends_at: moment(1), seats: 2, models: [MODEL], pot_nano: 1e9 };
  const { guid } = await ask(context, "POST", "/api/v1/workshops", plan);
  const { webhook } = await ask(context, "POST", "/api/v1/admin/webhooks", { url: "https://hooks.example.org/looked-at" });
  const found = [
    ...(await open(page, "/admin/settings/banners", ["create_banner"])),
    ...(await open(page, "/admin/settings/notifications", ["add_webhook", say("edit_what", { what: webhook.url }), say("deliveries_of", { what: webhook.url })])),
    ...(await open(page, "/admin/usage", ["export"])),
    ...(await open(page, "/teams", ["create_team"])),
    ...(await open(page, `/workshops/${guid}`, ["announce", "change_workshop"])),
  ];
  await ask(context, "POST", `/api/v1/workshops/${guid}/end`);
  await ask(context, "DELETE", `/api/v1/admin/webhooks/${webhook.id}`);
  assert.deepEqual(found, []);
  await leave(opened);
});
