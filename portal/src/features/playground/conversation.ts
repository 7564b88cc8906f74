/** One conversation with one model: what was said, what is being said, and what it took. */
import { useRef, useState } from "react";
import { Interrupted, streamChat, type Message, type Usage } from "./stream";

export interface Metrics {
  ttftMs: number | null;
  totalMs: number;
  usage: Usage | null;
  /** Completion tokens by the time after the first one. */
  tokensPerSecond: number | null;
}

export interface Turn {
  role: "user" | "assistant";
  text: string;
  at: string;
  image?: string | undefined;
  reasoning?: string;
  metrics?: Metrics;
  error?: unknown;
  state?: "running" | "stopped" | "interrupted" | "failed" | "done";
}

export interface Settings {
  system: string;
  temperature: number;
  topP: number;
  maxTokens: number;
  stop: string;
  streaming: boolean;
}

export const USUAL: Settings = { system: "", temperature: 0.7, topP: 1, maxTokens: 1024, stop: "", streaming: true };

export function parametersOf(settings: Settings): Record<string, unknown> {
  const stop = settings.stop.split("\n").filter(Boolean).slice(0, 4);
  return {
    temperature: settings.temperature,
    top_p: settings.topP,
    max_tokens: settings.maxTokens,
    stream: settings.streaming,
    ...(stop.length ? { stop } : {}),
  };
}

export function messagesOf(settings: Settings, turns: Turn[]): Message[] {
  const system: Message[] = settings.system ? [{ role: "system", content: settings.system }] : [];
  const said = turns
    .filter((turn) => turn.role === "user" || turn.text)
    .map<Message>((turn) => ({
      role: turn.role,
      content: turn.image ? [{ type: "text", text: turn.text }, { type: "image_url", image_url: { url: turn.image } }] : turn.text,
    }));
  return [...system, ...said];
}

export function useConversation() {
  const [turns, setTurns] = useState<Turn[]>([]);
  const running = useRef<AbortController | null>(null);
  const isRunning = turns.at(-1)?.state === "running";

  const patchLast = (patch: (turn: Turn) => Turn) => setTurns((before) => before.map((turn, index) => (index === before.length - 1 ? patch(turn) : turn)));

  const answer = async (keyId: string, model: string, settings: Settings, history: Turn[]) => {
    const controller = new AbortController();
    running.current = controller;
    setTurns([...history, { role: "assistant", text: "", at: new Date().toISOString(), state: "running" }]);
    const started = performance.now();
    let first: number | null = null;
    let usage: Usage | null = null;
    const metrics = (): Metrics => {
      const now = performance.now();
      const speaking = first === null ? 0 : now - first;
      return {
        ttftMs: settings.streaming && first !== null ? first - started : null,
        totalMs: now - started,
        usage,
        tokensPerSecond: settings.streaming && usage && speaking > 0 ? usage.completion_tokens / (speaking / 1000) : null,
      };
    };
    try {
      const call = { key_id: keyId, model, messages: messagesOf(settings, history), parameters: parametersOf(settings) };
      for await (const piece of streamChat(call, controller.signal)) {
        if (piece.usage) usage = piece.usage;
        if (piece.text || piece.reasoning) first ??= performance.now();
        if (piece.text || piece.reasoning)
          patchLast((turn) => ({ ...turn, text: turn.text + (piece.text ?? ""), reasoning: (turn.reasoning ?? "") + (piece.reasoning ?? "") }));
      }
      patchLast((turn) => ({ ...turn, state: "done", metrics: metrics() }));
    } catch (error) {
      const state = controller.signal.aborted ? "stopped" : error instanceof Interrupted ? "interrupted" : "failed";
      patchLast((turn) => ({ ...turn, state, metrics: metrics(), ...(state === "failed" ? { error } : {}) }));
    } finally {
      running.current = null;
    }
  };

  return {
    turns,
    isRunning,
    say: (keyId: string, model: string, settings: Settings, text: string, image?: string) =>
      answer(keyId, model, settings, [...turns, { role: "user", text, at: new Date().toISOString(), image }]),
    /** Asks again for the last answer, or with other words from an earlier place. */
    again: (keyId: string, model: string, settings: Settings, at?: number, text?: string) => {
      const place = at ?? turns.findLastIndex((turn) => turn.role === "user");
      const history = turns.slice(0, place + 1).map((turn, index) => (index === place && text !== undefined ? { ...turn, text } : turn));
      return answer(keyId, model, settings, history);
    },
    stop: () => running.current?.abort(),
    clear: () => {
      running.current?.abort();
      setTurns([]);
    },
    load: setTurns,
  };
}

export type Conversation = ReturnType<typeof useConversation>;
