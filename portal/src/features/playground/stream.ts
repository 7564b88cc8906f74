/** How does an answer come through the control plane? As server-sent events, read piece by piece until the final marker. */
import { ApiError, csrfHeader, problemOf } from "../../lib/api";

export interface Message {
  role: "system" | "user" | "assistant";
  content: string | ({ type: "text"; text: string } | { type: "image_url"; image_url: { url: string } })[];
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

export interface Piece {
  text?: string;
  reasoning?: string;
  usage?: Usage;
}

export interface ChatCall {
  key_id: string;
  model: string;
  messages: Message[];
  parameters: Record<string, unknown>;
}

const IDLE_MS = 60_000;

export class Interrupted extends Error {}

/** Throws ApiError for a refusal and Interrupted when the stream ends, or says nothing for a minute, before its final marker. */
export async function* streamChat(call: ChatCall, signal: AbortSignal): AsyncGenerator<Piece> {
  const response = await fetch("/api/v1/playground/chat", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...csrfHeader() },
    body: JSON.stringify(call),
    signal,
  });
  if (!response.ok) throw await problemOf(response);
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
    yield pieceOf((await response.json()) as Answer);
    return;
  }
  let finished = false;
  for await (const data of eventsOf(response.body!.getReader())) {
    if (data === "[DONE]") {
      finished = true;
      break;
    }
    const answer = JSON.parse(data) as Answer & { error?: { message?: string; code?: string } };
    if (answer.error) throw new ApiError(502, String(answer.error.code ?? "UPSTREAM_ERROR"), answer.error.message ?? "", null);
    yield pieceOf(answer);
  }
  if (!finished) throw new Interrupted();
}

interface Said {
  content?: string | null;
  reasoning_content?: string | null;
  reasoning?: string | null;
}

interface Answer {
  choices?: { delta?: Said; message?: Said }[];
  usage?: Usage | null;
}

function pieceOf(answer: Answer): Piece {
  const said = answer.choices?.[0]?.delta ?? answer.choices?.[0]?.message;
  const reasoning = said?.reasoning_content ?? said?.reasoning;
  return {
    ...(said?.content ? { text: said.content } : {}),
    ...(reasoning ? { reasoning } : {}),
    ...(answer.usage ? { usage: answer.usage } : {}),
  };
}

async function* eventsOf(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await withinIdle(reader.read());
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const lines = rest.split(/\r?\n/);
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function withinIdle<T>(read: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Interrupted()), IDLE_MS);
    read.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
