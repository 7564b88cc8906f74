// What does every page look like? Pictures in light, dark and on a phone, for a person to look at.
//   LITEMAAS_CONTROL_URL=http://127.0.0.1:8080 node scripts/screenshots.mjs [FOLDER] [PATH…]
import { mkdirSync } from "node:fs";
import { launch, signedIn } from "./browser.mjs";

const base = process.env.LITEMAAS_CONTROL_URL;
const [folder = "screenshots", ...only] = process.argv.slice(2);
const OWN = ["/", "/models", "/subscriptions", "/api-keys", "/playground", "/usage", "/requests", "/teams", "/notifications", "/profile", "/nothing-here"];
const ADMIN = ["/", "/admin/usage", "/admin/models", "/admin/models/new", "/admin/subscriptions", "/admin/users", "/admin/requests", "/admin/audit", ...["limits", "banners", "branding", "currency", "notifications", "backup", "general"].map((tab) => `/admin/settings/${tab}`)];
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
  await add("/api/v1/models", (id) => `/models/${id}`);
  await add("/api/v1/keys", (id) => `/api-keys/${id}`);
  await add("/api/v1/keys", (id) => `/api-keys/${id}?tab=code`);
  await add("/api/v1/keys", (id) => `/api-keys/${id}?tab=blocked`);
  await add("/api/v1/teams", (id) => `/teams/${id}`);
  if (person === "admin") {
    await add("/api/v1/admin/models", (id) => `/admin/models/${id}`);
    await add("/api/v1/admin/users", (id) => `/admin/users/${id}`);
  }
  return found;
}

const browser = await launch();
mkdirSync(folder, { recursive: true });
let bad = 0;
for (const [look, options] of Object.entries(LOOKS)) {
  for (const [person, places] of [[null, ["/login"]], ["user", OWN], ["admin", ADMIN]]) {
    const { context, page, troubles } = await signedIn(browser, base, person, options);
    const all = person ? [...places, ...(await details(context, person))] : places;
    for (const place of all.filter((path) => only.length === 0 || only.some((one) => path.startsWith(one)))) {
      await page.goto(base + place);
      await page.waitForLoadState("networkidle");
      await page.waitForTimeout(600);
      const tooWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1);
      const name = `${person ?? "nobody"}${place.replace(/[^a-z0-9]+/gi, "-").replace(/-[0-9a-f-]{30,}/, "-id")}`;
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
