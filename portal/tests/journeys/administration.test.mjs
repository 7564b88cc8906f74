// Do administrators see the truth and change what they may? Approval, analytics, settings; and those who only read.
import assert from "node:assert/strict";
import { ask, barriers, base, callOnce, file, journey, leave, RESTRICTED, say, settled, useBrowser, visit } from "./stage.mjs";

useBrowser();
const exact = true;

journey("restricted access is asked for with a reason, approved, and the person is told", async () => {
  const admin = await visit("admin", "/admin/subscriptions");
  const model = (await ask(admin.context, "GET", `/api/v1/admin/models?name=${RESTRICTED}`)).data[0];
  await ask(admin.context, "POST", `/api/v1/admin/models/${model.id}/restrict`, { restricted_access: true, existing: "keep" });

  const user = await visit("user", `/models/${model.id}`);
  await user.page.getByRole("button", { name: say("request_access"), exact }).click();
  const form = user.page.getByRole("dialog");
  await form.getByRole("button", { name: say("request_access"), exact }).click();
  await form.getByText(say("at_least_n_characters", { count: 10 })).waitFor(); // at the field, not as a toast
  await form.getByLabel(say("justification")).fill("A course on models starts on Monday.");
  await form.getByRole("button", { name: say("request_access"), exact }).click();
  await form.waitFor({ state: "detached" });

  await admin.page.reload();
  const row = admin.page.getByRole("row").filter({ hasText: "A course on models" });
  await row.getByRole("checkbox").check();
  await admin.page.getByRole("button", { name: say("approve_n", { count: 1 }), exact }).click();
  await admin.page.getByRole("dialog").getByRole("button", { name: say("approve"), exact }).click();
  await row.waitFor({ state: "detached" });

  await user.page.goto(`${base}/notifications`);
  await user.page.locator("#content").getByText(RESTRICTED).first().waitFor();
  await leave(user);
  await leave(admin);
});

journey("analytics are filtered, shown as a table, and exported as they are filtered", async () => {
  const opened = await visit("admin", "/");
  const { page } = opened;
  await callOnce(opened.context, "of-the-admin");
  await page.goto(`${base}/admin/usage`);
  await settled(page);
  await page.getByLabel(say("period")).selectOption("30");
  await page.waitForURL(/days=30/);
  await settled(page);
  await page.getByRole("heading", { name: say("latency_over_time") }).waitFor();
  await page.getByRole("button", { name: say("show_table") }).first().click();
  await page.locator("#content table").first().waitFor();
  await page.getByRole("button", { name: say("export"), exact }).first().click();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("dialog").getByRole("button", { name: say("export"), exact }).click(),
  ]);
  assert.match(download.suggestedFilename(), /\.csv$/);
  assert.ok((await file(download)).split("\n").length > 1);
  await page.goto(`${base}/admin/requests?status=success`);
  await settled(page);
  await page.getByRole("button", { name: say("export"), exact }).click();
  const [log] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("dialog").getByRole("button", { name: say("export"), exact }).click(),
  ]);
  const [head, ...calls] = (await file(log)).trim().split("\r\n");
  assert.match(head, /^started_at,request_id,model/);
  assert.ok(calls.length > 0 && calls.every((line) => line.includes(",success,")), calls[0]);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: say("cost"), exact }).click();
  await page.waitForURL(/sort=cost_nano&order=desc/);
  await page.getByRole("button", { name: say("manage_columns"), exact }).click();
  const columns = page.getByRole("dialog");
  await columns.getByRole("checkbox", { name: say("endpoint"), exact }).check();
  await columns.getByRole("button", { name: say("save"), exact }).click();
  await page.getByRole("columnheader", { name: say("endpoint"), exact }).waitFor();
  await leave(opened);
});

journey("a limit is changed and cleared again, a banner appears and goes", async () => {
  const opened = await visit("admin", "/admin/settings/limits");
  const { page } = opened;
  const most = page.getByLabel(say("max_of", { what: say("rpm") }));
  const save = page.locator("form").filter({ has: most }).getByRole("button", { name: say("save"), exact });
  for (const value of ["500", ""]) {
    await most.fill(value);
    await save.click();
    await page.waitForFunction((button) => button.disabled, await save.elementHandle());
  }
  await most.fill("400");
  const keys = await ask(opened.context, "GET", "/api/v1/admin/settings/api-keys");
  await ask(opened.context, "PUT", "/api/v1/admin/settings/api-keys", { ...keys, maximums: { ...keys.maximums, rpm_limit: 300 } });
  await save.click();
  const conflict = page.getByRole("alert", { name: say("changed_meanwhile") });
  await conflict.getByRole("radio", { name: "300" }).check();
  assert.deepEqual(await barriers(page, undefined, ".lm-conflict"), []);
  await conflict.getByRole("button", { name: say("save_choice") }).click();
  await conflict.waitFor({ state: "detached" });
  assert.equal(await most.inputValue(), "300");
  await ask(opened.context, "PUT", "/api/v1/admin/settings/api-keys", keys);
  await page.goto(`${base}/admin/settings/banners`);
  await page.getByRole("button", { name: say("create_banner") }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel(say("name")).first().fill("maintenance");
  await form.getByRole("textbox", { name: say("text") }).first().fill("Maintenance **tonight**");
  await form.getByRole("button", { name: say("save"), exact }).click();
  await form.waitFor({ state: "detached" });
  const user = await visit("user");
  await user.page.locator("strong", { hasText: "tonight" }).waitFor();
  const { data } = await ask(opened.context, "GET", "/api/v1/admin/banners");
  await ask(opened.context, "DELETE", `/api/v1/admin/banners/${data.find(({ name }) => name === "maintenance").id}`);
  await user.page.reload();
  await settled(user.page);
  assert.equal(await user.page.getByText("tonight").count(), 0);
  await leave(user);
  await leave(opened);
});

journey("a guardrail is tried, put, and taken away; help and an icon of the house are shown", async () => {
  const opened = await visit("admin", "/admin/settings/guardrails");
  const { page } = opened;
  await page.getByRole("button", { name: say("add_guardrail"), exact }).first().click();
  const form = page.getByRole("dialog");
  await form.getByRole("textbox", { name: say("name") }).first().fill("house");
  await form.getByLabel(say("blocked_words")).fill("falcon\nheron");
  await form.getByLabel(say("text_to_try"), { exact }).fill("Where does the Heron nest?");
  await form.getByRole("button", { name: say("try_it"), exact }).click();
  await form.getByText(say("would_be_refused", { kinds: "keyword" })).waitFor();
  assert.deepEqual(await barriers(page, undefined, "[role=dialog]"), []);
  await form.getByRole("button", { name: say("save"), exact }).click();
  await form.waitFor({ state: "detached" });
  const { guardrails } = await ask(opened.context, "GET", "/api/v1/admin/settings/guardrails");
  assert.deepEqual(guardrails[0].litellm_params.blocked_words.map(({ keyword }) => keyword), ["falcon", "heron"]);
  await page.getByRole("button", { name: say("delete_what", { what: "house" }) }).click();
  await page.getByRole("dialog").getByRole("button", { name: say("delete"), exact }).click();
  await page.getByText(say("no_guardrails"), { exact }).waitFor();
  await page.getByRole("button", { name: say("add_guard_service"), exact }).click();
  await form.getByRole("textbox", { name: say("name") }).first().fill("safety");
  await form.getByLabel(say("guard_address")).fill("http://guard.internal:8080");
  await form.getByLabel(say("guard_key")).fill("a key for the service");
  await form.getByRole("checkbox", { name: say("guard_mode_post_call"), exact }).check();
  assert.deepEqual(await barriers(page, undefined, "[role=dialog]"), []);
  await form.getByRole("button", { name: say("save"), exact }).click();
  await form.waitFor({ state: "detached" });
  await page.getByText("http://guard.internal:8080").waitFor();
  const held = (await ask(opened.context, "GET", "/api/v1/admin/settings/guardrails")).guardrails[0].litellm_params;
  assert.deepEqual([held.mode, held.api_key], [["pre_call", "post_call"], "****"]);
  await page.getByRole("button", { name: say("delete_what", { what: "safety" }) }).click();
  await page.getByRole("dialog").getByRole("button", { name: say("delete"), exact }).click();
  await page.getByText(say("no_guardrails"), { exact }).waitFor();
  await ask(opened.context, "PATCH", "/api/v1/admin/branding", { support_enabled: true, support_text: "Ask us", support_url: "mailto:help@example.org", favicon_enabled: true });
  const { csrf_token } = await ask(opened.context, "GET", "/api/v1/auth/session");
  const icon = { headers: { "X-CSRF-Token": csrf_token }, data: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8" fill="red"/></svg>' };
  assert.equal((await opened.context.request.put(`${base}/api/v1/admin/branding/images/favicon`, icon)).status(), 200);
  const user = await visit("user");
  assert.equal(await user.page.getByRole("link", { name: "Ask us" }).getAttribute("href"), "mailto:help@example.org");
  await user.page.waitForFunction(() => document.querySelector("link[rel=icon]").href.includes("/branding/images/favicon?v="));
  await ask(opened.context, "PATCH", "/api/v1/admin/branding", { support_enabled: false, favicon_enabled: false });
  await leave(user);
  await leave(opened);
});

journey("who only reads sees every page of administration and nothing that changes anything", async () => {
  const opened = await visit("adminReadonly", "/admin/usage");
  const { page } = opened;
  const changing = ["approve", "deny", "delete", "save", "add_model", "create_banner", "create_backup", "download", "restore", "reset_spend", "deactivate", "edit", "plan_workshop", "add_guardrail"].map((key) => say(key));
  for (const path of ["/admin/usage", "/admin/models", "/admin/subscriptions", "/admin/users", "/admin/requests", "/admin/capacity", "/admin/audit", "/workshops", "/admin/settings/limits", "/admin/settings/banners", "/admin/settings/branding", "/admin/settings/currency", "/admin/settings/guardrails", "/admin/settings/discovery", "/admin/settings/notifications", "/admin/settings/backup"]) {
    await page.goto(base + path);
    await settled(page);
    await page.getByRole("heading", { level: 1 }).first().waitFor();
    assert.equal(await page.getByText(say("access_denied"), { exact }).count(), 0, path);
    const offered = await page.locator("#content button:not([disabled])").allInnerTexts();
    assert.deepEqual(offered.filter((text) => changing.includes(text.trim())), [], path);
  }
  await leave(opened);
});

journey("a page without the right is refused before it asks for data", async () => {
  const opened = await visit("user", "/admin/users");
  const asked = [];
  opened.page.on("request", (request) => request.url().includes("/api/v1/admin/") && asked.push(request.url()));
  await opened.page.reload();
  await opened.page.getByText(say("access_denied"), { exact }).waitFor();
  assert.deepEqual(asked, []);
  await leave(opened);
});
