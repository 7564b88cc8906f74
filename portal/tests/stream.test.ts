import { expect, test } from "vitest";
import { Interrupted, streamChat, type Piece } from "../src/features/playground/stream";
import { ApiError } from "../src/lib/api";
import { json, serve } from "./stage";

const CALL = { key_id: "k", model: "m", messages: [], parameters: { stream: true } };
const event = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;

function answers(chunks: string[], signal?: AbortSignal) {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      chunks.forEach((chunk) => controller.enqueue(encoder.encode(chunk)));
      if (signal) signal.addEventListener("abort", () => controller.error(new DOMException("stopped", "AbortError")));
      else controller.close();
    },
  });
  return serve({ "POST /api/v1/playground/chat": () => new Response(body, { headers: { "Content-Type": "text/event-stream" } }) });
}

async function read(signal = new AbortController().signal, on: (piece: Piece) => void = () => undefined) {
  let text = "";
  for await (const piece of streamChat(CALL, signal)) {
    on(piece);
    text += piece.text ?? "";
  }
  return text;
}

test("pieces that are cut anywhere come together", async () => {
  const whole = `${event("Grüß ")}${event("Gott")}data: [DONE]\n\n`;
  answers([...whole]);
  expect(await read()).toBe("Grüß Gott");
});

test("an answer without its final marker counts as interrupted", async () => {
  answers([event("Half")]);
  await expect(read()).rejects.toBeInstanceOf(Interrupted);
});

test("stopping ends the reading", async () => {
  const stop = new AbortController();
  answers([event("On and on")], stop.signal);
  await expect(read(stop.signal, () => stop.abort())).rejects.toBeTruthy();
});

test("a refusal keeps its code and its request id", async () => {
  serve({ "POST /api/v1/playground/chat": () => json({ code: "BUDGET_EXCEEDED", detail: "Spent.", request_id: "r1" }, 402) });
  const refusal = await read().catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(ApiError);
  expect(refusal).toMatchObject({ status: 402, code: "BUDGET_EXCEEDED", requestId: "r1" });
});
