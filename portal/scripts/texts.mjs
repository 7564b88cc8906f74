// What does the portal say, in nine languages? Reads texts/*.tsv: one row per text, one column per language.
// A missing cell, a lost placeholder or a doubled key is an error, and with it the build fails.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const LANGUAGES = ["en", "es", "fr", "de", "it", "ko", "ja", "zh", "pt"];
const FOLDER = fileURLToPath(new URL("../texts/", import.meta.url));
const KEYS = fileURLToPath(new URL("../src/lib/keys.ts", import.meta.url));
const VIRTUAL = "virtual:texts/";

const placeholders = (text) => (text.match(/\{\w+\}/g) ?? []).sort().join();

/** Of one thing the number may be in the words: "last day". Nothing else may be lost or new. */
function sameValues(cell, english, key) {
  const counted = (text) => (key.endsWith("_one") ? text.replaceAll("{count}", "") : text);
  return placeholders(counted(cell)) === placeholders(counted(english));
}

export function readTexts() {
  const namespaces = {};
  const problems = [];
  const seen = new Map();
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".tsv")).sort()) {
    const name = file.slice(0, -4);
    const [header, ...rows] = readFileSync(FOLDER + file, "utf8").trimEnd().split("\n");
    if (header !== ["key", ...LANGUAGES].join("\t")) problems.push(`${file}: the first row must name the languages`);
    const texts = (namespaces[name] = Object.fromEntries(LANGUAGES.map((language) => [language, {}])));
    for (const row of rows) {
      const [key, ...cells] = row.split("\t");
      if (seen.has(key)) problems.push(`${file}: ${key} is in ${seen.get(key)}, too`);
      seen.set(key, file);
      LANGUAGES.forEach((language, column) => {
        const cell = cells[column]?.trim();
        if (!cell) problems.push(`${file}: ${key} has no text in ${language}`);
        else if (!sameValues(cell, cells[0], key))
          problems.push(`${file}: ${key} in ${language} has other placeholders`);
        texts[language][key] = cell || cells[0];
      });
    }
  }
  return { namespaces, problems };
}

export function keysModule(namespaces) {
  const all = Object.values(namespaces).flatMap((texts) => Object.keys(texts.en));
  const keys = [...new Set(all.map((key) => key.replace(/_(one|other)$/, "")))].sort();
  return `// Made from texts/*.tsv by scripts/texts.mjs.\nexport type Key =\n${keys.map((key) => `  | "${key}"`).join("\n")};\n`;
}

export function textsPlugin({ strict }) {
  let namespaces;
  return {
    name: "litemaas-texts",
    buildStart() {
      const read = readTexts();
      namespaces = read.namespaces;
      if (read.problems.length && strict) this.error(`${read.problems.length} texts:\n${read.problems.join("\n")}`);
      const written = keysModule(namespaces);
      let current = "";
      try {
        current = readFileSync(KEYS, "utf8");
      } catch {
        current = "";
      }
      if (current !== written) writeFileSync(KEYS, written);
    },
    resolveId: (id) => (id.startsWith(VIRTUAL) ? `\0${id}` : null),
    load(id) {
      if (!id.startsWith(`\0${VIRTUAL}`)) return null;
      const [name, language] = id.slice(VIRTUAL.length + 1).split("/");
      if (name === "index") {
        const loaders = Object.keys(namespaces).flatMap((space) =>
          LANGUAGES.map((one) => `"${space}/${one}": () => import("${VIRTUAL}${space}/${one}")`),
        );
        return `export default {${loaders.join(",")}};`;
      }
      return `export default ${JSON.stringify(namespaces[name][language])};`;
    },
  };
}
