// Can a person help themselves? The first five minutes, the life of a key, the playground.
import assert from "node:assert/strict";
import { ask, base, engine, gateway, journey, leave, MODEL, say, useBrowser, visit, WITHIN_MS } from "./stage.mjs";

useBrowser();

journey("the first five minutes: sign in, pick a model, make a key, call with it, see the call", async () => {
  const opened = await visit(null, "/models?search=granite");
  const { page } = opened;
  await page.getByRole("button", { name: say("sign_in_as", { role: say("role_user") }) }).click();
  await page.getByRole("link", { name: MODEL }).first().click(); // the deep link survived sign-in
  await page.getByRole("button", { name: say("subscribe"), exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: say("subscribe"), exact: true }).click();

  const form = page.getByRole("dialog");
  await form.getByLabel(say("name")).fill("first");
  await form.getByRole("button", { name: say("create_key") }).click();
  const secret = page.locator(".lm-secret code");
  const key = await secret.innerText();
  assert.match(key, /^sk-/);
  assert.match(await page.getByRole("dialog").locator("pre").first().innerText(), new RegExp(`${new URL(gateway).host}/v1`));
  const answer = await fetch(`${gateway}/v1/chat/completions`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "Hello!" }] }),
  });
  assert.equal(answer.status, 200, await answer.text());
  await page.getByRole("dialog").getByRole("button", { name: say("close"), exact: true }).last().click();

  const seen = async () => (await (await opened.context.request.get(`${base}/api/v1/requests`)).json()).data.length > 0;
  for (let tries = 0; tries < 80 && !(await seen()); tries += 1) await page.waitForTimeout(250);
  await page.goto(`${base}/requests`);
  await page.locator("table").getByText(MODEL).first().waitFor();
  assert.ok(!(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).includes(key), "no key is stored");
  await leave(opened);
});

journey("a key is renamed, rotated, switched off and on, and deleted", async () => {
  const opened = await visit("user", "/api-keys");
  const { page, context } = opened;
  const { key } = await ask(context, "POST", "/api/v1/keys", { name: "passing", models: [MODEL] });
  await page.goto(`${base}/api-keys/${key.id}`);
  const act = (name) => page.getByRole("button", { name: say(name), exact: true }).first().click();
  const dialog = page.getByRole("dialog");
  const confirm = (name) => dialog.getByRole("button", { name: say(name), exact: true }).click();

  await act("edit");
  await dialog.getByLabel(say("name")).first().fill("lasting");
  await confirm("save");
  await page.getByRole("heading", { level: 1, name: "lasting" }).waitFor();
  await act("rotate");
  await dialog.getByLabel(say("old_value_works_for")).selectOption("custom");
  await dialog.getByLabel(say("grace_hours")).fill("5");
  await confirm("rotate");
  assert.match(await page.locator(".lm-secret code").innerText(), /^sk-/);
  await dialog.getByRole("button", { name: say("close"), exact: true }).last().click();
  await dialog.waitFor({ state: "detached" });
  const until = Date.parse((await ask(context, "GET", `/api/v1/keys/${key.id}`)).old_secret_valid_until) - Date.now();
  assert.ok(until > 4.9 * 3_600_000 && until <= 5 * 3_600_000, String(until));
  await act("disable");
  await confirm("disable");
  await act("enable");
  await page.getByRole("button", { name: say("disable"), exact: true }).waitFor();
  await act("delete");
  await confirm("delete");
  await dialog.waitFor({ state: "detached" });
  await leave(opened);
});

journey("the playground streams an answer with its figures, and stops one that is too long", async () => {
  const opened = await visit("user", "/playground");
  const { page } = opened;
  const box = page.locator(".lm-compose textarea");
  await box.fill("Hello!");
  await page.getByRole("button", { name: say("send"), exact: true }).click();
  const answer = page.getByRole("article", { name: say("answer") });
  await answer.first().locator("footer").waitFor();
  assert.match(await answer.first().locator("footer").innerText(), /\d/);

  await fetch(`${engine}/sim/behaviour`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token_s: 0.2, answer_tokens: 400 }) });
  try {
    await box.fill("A long story, please.");
    await page.getByRole("button", { name: say("send"), exact: true }).click();
    await page.waitForFunction(() => (document.querySelectorAll("article.lm-message:not(.lm-mine)")[1]?.textContent?.length ?? 0) > 20, null, { timeout: WITHIN_MS });
    await page.getByRole("button", { name: say("stop"), exact: true }).click();
    await answer.nth(1).getByText(say("answer_stopped")).waitFor();
  } finally {
    await fetch(`${engine}/sim/behaviour`, { method: "DELETE" });
  }
  await leave(opened);
});
