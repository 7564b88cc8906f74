// Which browser do journeys and screenshots use? Debian's Chromium through playwright-core; nothing is downloaded.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export const chromiumPath = PLACES.find((path) => path && existsSync(path));

export function launch() {
  return chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** A page for one of the developer people, signed in; what goes wrong in it is noted in `troubles`. */
export async function signedIn(browser, base, person, options = {}) {
  const context = await browser.newContext({ locale: "en-US", viewport: { width: 1400, height: 900 }, ...options });
  const page = await context.newPage();
  const troubles = [];
  page.on("console", (message) => {
    if (message.type() === "error" && !/status of (400|401|403|404|409|412|429)/.test(message.text())) troubles.push(message.text());
  });
  page.on("pageerror", (error) => troubles.push(String(error)));
  if (person) {
    const answer = await context.request.post(`${base}/api/v1/auth/dev-login`, { data: { dev_user: person } });
    if (!answer.ok()) throw new Error(`sign-in as ${person}: ${answer.status()} ${await answer.text()}`);
  }
  return { context, page, troubles };
}
