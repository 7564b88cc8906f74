/** Code that works: built from the gateway's public address, a model and parameters. The secret is read from the environment. */
export type ModelType = "chat" | "embeddings" | "convert" | keyof typeof OTHER;

export interface Wanted {
  base: string;
  model: string;
  type: ModelType;
  streaming?: boolean;
  /** A real key; only where a person asked for it. */
  secret?: string | undefined;
  system?: string;
  text?: string;
  temperature?: number;
  maxTokens?: number;
}

export interface Snippet {
  id: "curl" | "python" | "javascript" | "langchain" | "environment";
  title: string;
  code: string;
}

const OTHER = {
  rerank: ["/v1/rerank", { query: "Which fruit is yellow?", documents: ["An apple", "A banana"] }],
  image: ["/v1/images/generations", { prompt: "A red apple" }],
  speech: ["/v1/audio/speech", { input: "Hello!", voice: "alloy" }],
  moderation: ["/v1/moderations", { input: "Hello!" }],
  transcription: ["/v1/audio/transcriptions", null],
} as const;

const json = (value: unknown) => JSON.stringify(value);
/** A text inside single quotes of a shell. */
const shell = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

function messages(wanted: Wanted) {
  const system = wanted.system ? [{ role: "system", content: wanted.system }] : [];
  return [...system, { role: "user", content: wanted.text ?? "Hello!" }];
}

function chatBody(wanted: Wanted): Record<string, unknown> {
  return {
    model: wanted.model,
    messages: messages(wanted),
    ...(wanted.temperature === undefined ? {} : { temperature: wanted.temperature }),
    ...(wanted.maxTokens === undefined ? {} : { max_tokens: wanted.maxTokens }),
    ...(wanted.streaming ? { stream: true } : {}),
  };
}

/** The members of an object as Python's keyword arguments. */
function keywords(body: Record<string, unknown>): string {
  const python = (value: unknown) => (value === true ? "True" : value === false ? "False" : json(value));
  return Object.entries(body).map(([name, value]) => `    ${name}=${python(value)},`).join("\n");
}

const curl = (wanted: Wanted, path: string, body: unknown) =>
  `curl ${shell(wanted.base + path)} \\\n  -H "Authorization: Bearer ${wanted.secret ?? "$OPENAI_API_KEY"}" \\\n  -H "Content-Type: application/json" \\\n  -d ${shell(JSON.stringify(body, null, 2))}\n`;

const pythonKey = (wanted: Wanted) => (wanted.secret ? json(wanted.secret) : `os.environ["OPENAI_API_KEY"]`);
const pythonHead = (wanted: Wanted) => (wanted.secret ? "" : "import os\n\n");
const nodeKey = (wanted: Wanted) => (wanted.secret ? json(wanted.secret) : "process.env.OPENAI_API_KEY");

function chat(wanted: Wanted): Snippet[] {
  const body = chatBody(wanted);
  const reply = wanted.streaming
    ? "for chunk in answer:\n    if chunk.choices and chunk.choices[0].delta.content:\n        print(chunk.choices[0].delta.content, end=\"\", flush=True)\n"
    : "print(answer.choices[0].message.content)\n";
  const nodeReply = wanted.streaming
    ? "for await (const chunk of answer) process.stdout.write(chunk.choices[0]?.delta?.content ?? \"\");\n"
    : "console.log(answer.choices[0].message.content);\n";
  const said = messages(wanted).map(({ role, content }) => `(${json(role)}, ${json(content)})`).join(", ");
  return [
    { id: "curl", title: "curl", code: curl(wanted, "/v1/chat/completions", body) },
    {
      id: "python",
      title: "Python",
      code: `${pythonHead(wanted)}from openai import OpenAI\n\nclient = OpenAI(base_url=${json(`${wanted.base}/v1`)}, api_key=${pythonKey(wanted)})\nanswer = client.chat.completions.create(\n${keywords(body)}\n)\n${reply}`,
    },
    {
      id: "javascript",
      title: "JavaScript",
      code: `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: ${json(`${wanted.base}/v1`)}, apiKey: ${nodeKey(wanted)} });\nconst answer = await client.chat.completions.create(${JSON.stringify(body, null, 2)});\n${nodeReply}`,
    },
    {
      id: "langchain",
      title: "LangChain",
      code: `${pythonHead(wanted)}from langchain_openai import ChatOpenAI\n\nmodel = ChatOpenAI(model=${json(wanted.model)}, base_url=${json(`${wanted.base}/v1`)}, api_key=${pythonKey(wanted)})\nprint(model.invoke([${said}]).content)\n`,
    },
    environment(wanted),
  ];
}

function environment(wanted: Wanted): Snippet {
  const code = `export OPENAI_BASE_URL=${shell(`${wanted.base}/v1`)}\nexport OPENAI_API_KEY=${wanted.secret ? shell(wanted.secret) : "'sk-…'"}\nexport OPENAI_MODEL=${shell(wanted.model)}\n`;
  return { id: "environment", title: "Shell", code };
}

function embeddings(wanted: Wanted): Snippet[] {
  const body = { model: wanted.model, input: wanted.text ?? "Hello!" };
  return [
    { id: "curl", title: "curl", code: curl(wanted, "/v1/embeddings", body) },
    {
      id: "python",
      title: "Python",
      code: `${pythonHead(wanted)}from openai import OpenAI\n\nclient = OpenAI(base_url=${json(`${wanted.base}/v1`)}, api_key=${pythonKey(wanted)})\nanswer = client.embeddings.create(\n${keywords(body)}\n)\nprint(len(answer.data[0].embedding))\n`,
    },
    {
      id: "javascript",
      title: "JavaScript",
      code: `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: ${json(`${wanted.base}/v1`)}, apiKey: ${nodeKey(wanted)} });\nconst answer = await client.embeddings.create(${JSON.stringify(body, null, 2)});\nconsole.log(answer.data[0].embedding.length);\n`,
    },
    {
      id: "langchain",
      title: "LangChain",
      code: `${pythonHead(wanted)}from langchain_openai import OpenAIEmbeddings\n\nmodel = OpenAIEmbeddings(model=${json(wanted.model)}, base_url=${json(`${wanted.base}/v1`)}, api_key=${pythonKey(wanted)}, check_embedding_ctx_length=False)\nprint(len(model.embed_query(${json(body.input)})))\n`,
    },
    environment(wanted),
  ];
}

function convert(wanted: Wanted): Snippet[] {
  const url = wanted.text ?? "https://arxiv.org/pdf/2408.09869";
  const body = { sources: [{ kind: "http", url }], options: { to_formats: ["md"] } };
  const address = `${wanted.base}/docling/v1/convert/source`;
  const key = wanted.secret ?? "$OPENAI_API_KEY";
  const python = `${pythonHead(wanted)}import httpx\n\nanswer = httpx.post(\n    ${json(address)},\n    headers={"Authorization": "Bearer " + ${pythonKey(wanted)}},\n    json=${json(body)},\n    timeout=300,\n)\nanswer.raise_for_status()\nmarkdown = answer.json()["document"]["md_content"]\n`;
  return [
    {
      id: "curl",
      title: "curl",
      code: `${curl(wanted, "/docling/v1/convert/source", body)}\n# A file of yours:\ncurl ${shell(`${wanted.base}/docling/v1/convert/file`)} \\\n  -H "Authorization: Bearer ${key}" \\\n  -F "files=@document.pdf" -F "to_formats=md"\n`,
    },
    { id: "python", title: "Python", code: `${python}print(markdown)\n` },
    {
      id: "javascript",
      title: "JavaScript",
      code: `const answer = await fetch(${json(address)}, {\n  method: "POST",\n  headers: { Authorization: "Bearer " + ${nodeKey(wanted)}, "Content-Type": "application/json" },\n  body: JSON.stringify(${json(body)}),\n});\nconsole.log((await answer.json()).document.md_content);\n`,
    },
    { id: "langchain", title: "LangChain", code: `${python.replace("import httpx\n", "import httpx\nfrom langchain_core.documents import Document\n")}document = Document(page_content=markdown)\n` },
  ];
}

function other(wanted: Wanted, type: keyof typeof OTHER): Snippet[] {
  const [path, body] = OTHER[type];
  const upload = `curl ${shell(wanted.base + path)} \\\n  -H "Authorization: Bearer ${wanted.secret ?? "$OPENAI_API_KEY"}" \\\n  -F ${shell(`model=${wanted.model}`)} -F "file=@speech.wav"\n`;
  return [{ id: "curl", title: "curl", code: body ? curl(wanted, path, { model: wanted.model, ...body }) : upload }, environment(wanted)];
}

export function buildSnippets(wanted: Wanted): Snippet[] {
  const { type } = wanted;
  if (type === "chat") return chat(wanted);
  return type === "embeddings" ? embeddings(wanted) : type === "convert" ? convert(wanted) : other(wanted, type);
}
