// Does a workshop work from the plan to the last seat? Wizard, handout, claim on a phone, board.
import assert from "node:assert/strict";
import { barriers, base, gateway, journey, leave, MODEL, say, settled, useBrowser, visit } from "./stage.mjs";

useBrowser();
const exact = true;
const PHONE = { viewport: { width: 360, height: 780 }, isMobile: true, hasTouch: true };
const clock = (hours) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(0, 16);

journey("a workshop is planned, claimed on a phone, watched, its seat freed, and another one taken away", async () => {
  const opened = await visit("admin", "/workshops/new");
  const { page } = opened;
  const next = () => page.getByRole("button", { name: say("next_step"), exact }).click();
  await next();
  await page.getByText(say("field_required")).first().waitFor(); // at the field
  await page.getByLabel(say("workshop_title")).fill("Models for all");
  await page.getByLabel(say("time_zone")).selectOption("UTC");
  await page.getByLabel(say("starts")).fill(clock(-1));
  await page.getByLabel(say("ends")).fill(clock(-2));
  await next();
  await page.getByText(say("after_the_start")).waitFor();
  await page.getByLabel(say("ends")).fill(clock(3));
  await next();
  await page.getByRole("radio", { name: new RegExp(`^${say("claim_roster")}`) }).check();
  await page.getByLabel(say("roster")).fill('"Ada, L.",x\nGrace\nGrace');
  await page.getByText(say("roster_twice", { line: 3, name: "Grace" })).waitFor();
  await page.getByLabel(say("roster")).fill('"Ada, L.",x\nGrace');
  await next();
  await page.getByRole("checkbox", { name: new RegExp(`^${MODEL}`) }).check();
  await next();
  await page.getByLabel(say("pot")).fill("5");
  await page.getByLabel(say("seat_cap")).fill("1");
  await next();
  await page.getByText(say("costs_at_most_all", { cost: "$2.00" })).waitFor(); // two seats of $1
  assert.deepEqual(await barriers(page), []);
  await page.getByRole("button", { name: say("create_workshop"), exact }).click();

  await page.waitForURL(/\/workshops\/ws-[0-9a-f]+\/handouts$/);
  const guid = page.url().split("/").at(-2);
  const sheet = page.getByRole("region", { name: "Ada, L." });
  const code = await sheet.locator(".lm-code-large").innerText();
  await sheet.getByRole("img", { name: say("qr_of", { link: `${base}/claim/${guid}` }) }).waitFor();
  assert.ok(!(await page.content()).includes("sk-"), "no key on a handout");

  const phone = await visit(null, `/claim/${guid}#code=${code}`, PHONE);
  await phone.page.getByLabel(say("nickname")).fill("Ada");
  assert.equal(new URL(phone.page.url()).hash, "", "the code leaves the address");
  assert.deepEqual(await barriers(phone.page), []);
  await phone.page.getByRole("button", { name: say("claim_now"), exact }).click();
  const key = await phone.page.locator(".lm-secret code").innerText();
  await phone.page.getByRole("button", { name: say("test_my_key"), exact }).click();
  await phone.page.getByText(say("test_ok", { time: "" }).split(":")[0]).waitFor();
  const answer = await fetch(`${gateway}/v1/models`, { headers: { Authorization: `Bearer ${key}` } });
  assert.deepEqual((await answer.json()).data.map(({ id }) => id), [MODEL]);
  await phone.page.reload();
  assert.equal(await phone.page.locator(".lm-secret code").innerText(), key, "the same browser sees its seat again");
  const outside = await phone.page.evaluate(() => [...document.querySelectorAll("main *")].filter((one) => !one.closest("pre") && one.getBoundingClientRect().right > 361).map((one) => one.outerHTML.slice(0, 80)));
  assert.deepEqual(outside, [], "nothing is cut off");
  assert.deepEqual(await barriers(phone.page), []);

  const stranger = await visit(null, `/claim/${guid}`, PHONE);
  await stranger.page.getByLabel(say("code")).fill(code);
  await stranger.page.getByRole("button", { name: say("claim_now"), exact }).click();
  await stranger.page.getByText(say("wrong_code")).waitFor();
  assert.ok(!(await stranger.page.content()).includes("sk-"));

  await page.goto(`${base}/workshops/${guid}`);
  const seat = page.getByRole("row").filter({ hasText: "Ada" });
  await seat.getByText(say("status_active"), { exact }).waitFor();
  await page.getByText(say("n_of_m", { n: 1, m: 2 })).first().waitFor();
  await page.getByRole("button", { name: say("announce"), exact }).click();
  await page.getByRole("dialog").getByLabel(say("announcement")).fill("Lunch at noon");
  await page.getByRole("dialog").getByRole("button", { name: say("save"), exact }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await phone.page.reload();
  await phone.page.getByText("Lunch at noon").waitFor();
  await seat.getByRole("button", { name: say("actions_for", { name: "seat-0001" }) }).click();
  await page.getByRole("menuitem", { name: say("free_seat") }).click();
  await page.getByRole("dialog").getByRole("button", { name: say("free_seat"), exact }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await phone.page.reload();
  await phone.page.getByLabel(say("code")).waitFor(); // out of the seat
  assert.equal((await fetch(`${gateway}/v1/models`, { headers: { Authorization: `Bearer ${key}` } })).status, 401);
  const change = async (act) => {
    await page.getByRole("button", { name: say("change_workshop"), exact }).click();
    await page.getByRole("menuitem", { name: say(act), exact }).click();
  };
  await change("add_seats");
  await page.getByRole("dialog").getByLabel(say("roster_optional")).fill("Kim");
  await page.getByRole("dialog").getByRole("button", { name: say("add_seats"), exact }).click();
  await page.getByRole("row").filter({ hasText: "Kim" }).getByText(say("status_free"), { exact }).waitFor();
  const kim = page.getByRole("row").filter({ hasText: "Kim" });
  await kim.getByRole("button").click();
  await page.getByRole("menuitem", { name: say("remove_seat") }).click();
  await page.getByRole("dialog").getByRole("button", { name: say("remove_seat"), exact }).click();
  await kim.waitFor({ state: "detached" });
  await page.getByText(say("n_of_m", { n: 0, m: 2 })).first().waitFor(); // the other seats are still there
  assert.equal((await (await opened.context.request.get(`${base}/api/v1/workshops/${guid}`)).json()).pot_nano, 5e9, "the pot stays");
  await change("end_workshop");
  await page.getByRole("dialog").getByRole("button", { name: say("end_workshop"), exact }).click();
  await page.getByRole("heading", { level: 1 }).getByText(say("status_ended")).waitFor();
  for (const one of [stranger, phone, opened]) await leave(one);
});

journey("an organiser who is no administrator runs the workshop, and nobody else sees it", async () => {
  const admin = await visit("admin", "/workshops");
  const session = async (one) => (await one.context.request.get(`${base}/api/v1/auth/session`)).json();
  const user = await visit("user", "/");
  const name = (await session(user)).user.username;
  assert.equal(await user.page.getByRole("link", { name: say("workshops"), exact }).count(), 0);
  const { csrf_token } = await session(admin);
  const moment = (hours) => new Date(Date.now() + hours * 3_600_000).toISOString();
  const data = { title: "Theirs", organisers: [name], time_zone: "UTC", starts_at: moment(-1), ends_at: moment(1), seats: 2, models: [MODEL], pot_nano: 1e9 };
  const made = await (await admin.context.request.post(`${base}/api/v1/workshops`, { headers: { "X-CSRF-Token": csrf_token }, data })).json();
  await user.page.reload();
  await user.page.getByRole("link", { name: say("workshops"), exact }).click();
  await user.page.getByRole("link", { name: "Theirs" }).click();
  await user.page.getByRole("button", { name: say("change_workshop"), exact }).click();
  await user.page.getByRole("menuitem", { name: say("extend"), exact }).waitFor();
  for (const act of ["change_money", "change_models"]) assert.equal(await user.page.getByRole("menuitem", { name: say(act), exact }).count(), 0, act);
  await user.page.keyboard.press("Escape");
  await user.page.getByRole("button", { name: say("pause"), exact }).click();
  await user.page.getByRole("dialog").getByRole("button", { name: say("pause"), exact }).click();
  await user.page.getByRole("button", { name: say("resume"), exact }).waitFor();
  const reader = await visit("adminReadonly", `/workshops/${made.guid}`);
  await settled(reader.page);
  for (const act of ["change_workshop", "resume", "announce", "handouts"]) assert.equal(await reader.page.getByRole("button", { name: say(act), exact }).count(), 0, act);
  for (const one of [reader, user, admin]) await leave(one);
});

journey("capacity shows every endpoint, and estimates only from what was measured", async () => {
  const opened = await visit("adminReadonly", "/admin/capacity");
  const { page } = opened;
  await page.getByRole("row").filter({ hasText: /127\.0\.0\.1|localhost/ }).first().waitFor();
  await page.getByText(say("workers_now", { count: 1 })).waitFor();
  const history = page.getByRole("region", { name: say("load_over_time"), exact });
  await history.getByLabel(say("period")).selectOption("week");
  await history.getByRole("button", { name: say("show_table"), exact }).click();
  await history.getByRole("rowheader").nth(167).waitFor(); // each hour of seven days, also those without calls
  await page.getByRole("form", { name: say("what_if") }).getByLabel(say("model")).selectOption(MODEL);
  await page.getByRole("button", { name: say("estimate"), exact }).click();
  await page.getByRole("status").filter({ hasText: say("verdict_unknown") }).waitFor(); // its endpoint has no cap
  assert.deepEqual(await barriers(page), []);
  await leave(opened);
});
