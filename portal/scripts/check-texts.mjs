// Are all texts there, in nine languages, is a thing called the same in all of them, and is each of them said somewhere? Exits with 1 and a line for each that is not.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { oddTerms } from "./terms.mjs";
import { keysModule, readTexts } from "./texts.mjs";

const SOURCES = fileURLToPath(new URL("../src/", import.meta.url));
const { namespaces, problems } = readTexts();
problems.push(...oddTerms(namespaces));

const sources = readdirSync(SOURCES, { recursive: true })
  .filter((name) => /\.tsx?$/.test(name) && !/lib\/(keys|schema\.d)\.ts$/.test(name))
  .map((name) => readFileSync(join(SOURCES, name), "utf8"))
  .join("\n");
const said = new Set(sources.match(/[A-Za-z][\w]*/g));
// Keys that are put together, like `role_${name}`: whatever begins (or ends) like the written part counts as said.
const begins = [...sources.matchAll(/[`"]([a-z]\w*_)\$\{/g)].map((found) => found[1]);
const ends = [...sources.matchAll(/\}(_\w+)`/g)].map((found) => found[1]);

const keys = new Set(Object.values(namespaces).flatMap((texts) => Object.keys(texts.en)));
for (const key of keys) {
  const plain = key.replace(/_(one|other)$/, "");
  if (plain !== key && !(keys.has(`${plain}_one`) && keys.has(`${plain}_other`)) && !said.has(key))
    problems.push(`${key}: a plural needs _one and _other`);
  if (![key, plain].some((one) => said.has(one) || begins.some((part) => one.startsWith(part)) || ends.some((part) => one.endsWith(part))))
    problems.push(`${key}: nobody says it`);
}
if (readFileSync(join(SOURCES, "lib/keys.ts"), "utf8") !== keysModule(namespaces))
  problems.push("src/lib/keys.ts is not what texts/*.tsv say: `npm run build` writes it");

const SHOWN = 40;
problems.slice(0, SHOWN).forEach((problem) => console.error(problem));
if (problems.length > SHOWN) console.error(`… and ${problems.length - SHOWN} more`);
if (problems.length) console.error(`texts: ${problems.length} problems`);
process.exit(problems.length ? 1 : 0);
