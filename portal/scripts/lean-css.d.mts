import type { Plugin } from "vite";
export function leanCss(): Plugin;
export function lean(css: string): string;
