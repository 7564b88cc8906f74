import type { Plugin } from "vite";
export const LANGUAGES: string[];
export function readTexts(): { namespaces: Record<string, Record<string, Record<string, string>>>; problems: string[] };
export function textsPlugin(options: { strict: boolean }): Plugin;
