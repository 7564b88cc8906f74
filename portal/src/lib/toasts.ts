/** What happened, said where everybody notices it: a small store that the toast region reads. */
import { useSyncExternalStore } from "react";
import { ApiError } from "./api";

export interface Toast {
  id: number;
  kind: "success" | "danger" | "warning" | "info";
  text: string;
  detail?: string | undefined;
  requestId?: string | null | undefined;
}

let toasts: Toast[] = [];
let past: (Toast & { at: number })[] = [];
const KEPT = 20;
let next = 1;
let last = { text: "", at: 0 };
const listeners = new Set<() => void>();

function publish(list: Toast[]): void {
  toasts = list;
  listeners.forEach((listener) => listener());
}

/** Success goes by itself, everything else stays until it is closed. The same text within half a second counts once. */
export function tell(kind: Toast["kind"], text: string, error?: unknown): void {
  const now = Date.now();
  if (text === last.text && now - last.at < 500) return;
  last = { text, at: now };
  const refusal = error instanceof ApiError ? error : null;
  const toast = { id: next++, kind, text, detail: refusal?.message, requestId: refusal?.requestId };
  if (kind === "danger" || kind === "warning") past = [{ ...toast, at: now }, ...past].slice(0, KEPT);
  publish([...toasts, toast].slice(-5));
}

/** What went wrong since this page was loaded, the newest first; also what was closed. */
export function failuresOfThisVisit(): readonly (Toast & { at: number })[] {
  return past;
}

export function dismiss(id: number): void {
  publish(toasts.filter((toast) => toast.id !== id));
}

export function useToasts(): Toast[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
}
