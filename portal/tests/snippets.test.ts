// @vitest-environment node
import { execFile } from "node:child_process";
import { createServer, type Server } from "node:http";
import { mkdtempSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildSnippets, type ModelType, type Snippet } from "../src/concepts/snippets/build";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "snippets-"));
const TYPES: ModelType[] = ["chat", "embeddings", "convert", "rerank", "image", "speech", "moderation", "transcription"];
const SPITEFUL = `It's "quoted", costs $5 \`now\`,\nand ends \\ here`;
const seen: { path: string; key: string | undefined; body: string }[] = [];
let gateway: Server;
let base: string;

beforeAll(async () => {
  gateway = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      seen.push({ path: request.url ?? "", key: request.headers.authorization, body: Buffer.concat(parts).toString() });
      response.setHeader("Content-Type", "application/json").end(JSON.stringify({ document: { md_content: "# Title" } }));
    });
  });
  await new Promise<void>((listening) => gateway.listen(0, "127.0.0.1", listening));
  base = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
});
afterAll(() => gateway.close());

const of = (type: ModelType, id: Snippet["id"], more: object = {}) => buildSnippets({ base, model: "org/it's-a-model", type, text: type === "convert" ? "https://x.example/a.pdf" : SPITEFUL, ...more }).find((snippet) => snippet.id === id)!.code;
const environment = { ...process.env, OPENAI_API_KEY: "sk-from-the-environment" };
const isThere = async (program: string) => run(program, ["--version"]).then(() => true, () => false);

test("no variant holds a key unless somebody asked for it", () => {
  for (const type of TYPES)
    for (const { code } of buildSnippets({ base, model: "m", type })) expect(code).toMatch(/OPENAI_API_KEY/);
  for (const { code } of buildSnippets({ base, model: "m", type: "chat", secret: "sk-real" })) expect(code).toContain("sk-real");
});

test("curl sends what was written, whatever stands in it, with the key of the environment", async (context) => {
  if (!(await isThere("curl"))) return context.skip();
  for (const type of ["chat", "embeddings", "rerank", "image", "speech", "moderation"] as const) {
    seen.length = 0;
    await run("sh", ["-c", of(type, "curl", { system: SPITEFUL, streaming: true, temperature: 0.5, maxTokens: 7 })], { env: environment });
    expect(seen[0]!.key).toBe("Bearer sk-from-the-environment");
    const body = JSON.parse(seen[0]!.body) as { model: string; messages?: { content: string }[]; input?: string };
    expect(body.model).toBe("org/it's-a-model");
    if (type === "chat") expect(body.messages!.map(({ content }) => content)).toEqual([SPITEFUL, SPITEFUL]);
    if (type === "embeddings") expect(body.input).toBe(SPITEFUL);
  }
});

test("the JavaScript for documents runs as it is", async () => {
  const file = join(folder, "convert.mjs");
  writeFileSync(file, of("convert", "javascript"));
  seen.length = 0;
  const { stdout } = await run(process.execPath, [file], { env: environment });
  expect(stdout.trim()).toBe("# Title");
  expect([seen[0]!.path, seen[0]!.key]).toEqual(["/docling/v1/convert/source", "Bearer sk-from-the-environment"]);
});

test("Python, JavaScript and shell are valid in every variant, with and without a key", async (context) => {
  const python = await isThere("python3");
  const all = TYPES.flatMap((type) => [{}, { secret: "sk-real" }, { streaming: true, system: SPITEFUL }].flatMap((more) => buildSnippets({ base, model: "it's", type, text: SPITEFUL, ...more })));
  const written = (end: string, ids: Snippet["id"][]) =>
    all.filter(({ id }) => ids.includes(id)).map(({ code }, index) => {
      const file = join(folder, `${index}.${end}`);
      writeFileSync(file, code);
      return file;
    });
  await Promise.all(written("mjs", ["javascript"]).map((file) => run(process.execPath, ["--check", file])));
  await run("sh", ["-c", 'for file; do sh -n "$file" || exit 1; done', "sh", ...written("sh", ["curl", "environment"])]);
  if (!python) return context.skip();
  await run("python3", ["-c", "import ast, sys\nfor name in sys.argv[1:]: ast.parse(open(name).read(), name)", ...written("py", ["python", "langchain"])]);
});
