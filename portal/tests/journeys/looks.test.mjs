// Is every page fit for everybody? Theme, language, phones, and no serious barrier on any page.
import assert from "node:assert/strict";
import { barriers, base, journey, leave, say, settled, useBrowser, visit } from "./stage.mjs";

useBrowser();
const OWN = ["/", "/models", "/subscriptions", "/api-keys", "/playground", "/usage", "/requests", "/teams", "/notifications", "/profile", "/not-there"];
const ADMIN = ["/admin/usage", "/admin/models", "/admin/models/new", "/admin/subscriptions", "/admin/users", "/admin/requests", "/admin/capacity", "/admin/chargeback", "/admin/audit", "/workshops", "/workshops/new", ...["limits", "banners", "branding", "currency", "guardrails", "notifications", "backup", "discovery", "general"].map((tab) => `/admin/settings/${tab}`)];
const isDark = (page) => page.evaluate(() => document.documentElement.classList.contains("pf-v6-theme-dark"));

journey("the theme follows the system until somebody chooses, and the choice is kept", async () => {
  const opened = await visit("user", "/", { colorScheme: "dark" });
  const { page } = opened;
  assert.equal(await isDark(page), true);
  await page.getByRole("button", { name: say("theme_is", { theme: say("theme_system") }) }).click();
  assert.equal(await isDark(page), false);
  await page.reload();
  assert.equal(await isDark(page), false);
  await leave(opened);
});

journey("another language needs no reload and speaks in pages, dates and the document", async () => {
  const opened = await visit("user", "/usage");
  const { page } = opened;
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.getByLabel(say("language")).selectOption("de");
  await page.getByRole("heading", { level: 1, name: say("usage", {}, "de") }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "de");
  await page.reload();
  await page.getByRole("heading", { level: 1, name: say("usage", {}, "de") }).waitFor();
  await leave(opened);
});

for (const [person, places] of [[null, ["/login", "/claim/nothing"]], ["user", OWN], ["admin", ADMIN]])
  journey(`no page of ${person ?? "nobody"} has a serious barrier, light or dark, or is wider than a phone`, async () => {
    const opened = await visit(person, places[0], { reducedMotion: "reduce" });
    const { page } = opened;
    const found = [];
    for (const place of places) {
      await page.setViewportSize({ width: 1400, height: 900 });
      await page.goto(base + place);
      await settled(page);
      found.push(...(await barriers(page)).map((line) => `${place} ${line}`));
      await page.evaluate(async () => {
        document.documentElement.classList.add("pf-v6-theme-dark");
        await Promise.allSettled(document.getAnimations().map(({ finished }) => finished));
      });
      found.push(...(await barriers(page, ["color-contrast"])).map((line) => `${place} (dark) ${line}`));
      await page.setViewportSize({ width: 320, height: 640 });
      if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1)) found.push(`${place} is wider than a phone`);
    }
    assert.deepEqual(found, []);
    await leave(opened);
  });
