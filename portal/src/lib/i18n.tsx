/** In which language does the portal speak? One table of texts per area, loaded in the language in use only. */
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import loaders from "virtual:texts/index";
import { setLocale } from "./format";
import type { Key } from "./keys";

export const LANGUAGES = {
  en: "English",
  es: "Español",
  fr: "Français",
  de: "Deutsch",
  it: "Italiano",
  ko: "한국어",
  ja: "日本語",
  zh: "中文",
  pt: "Português",
} as const;
export type Language = keyof typeof LANGUAGES;
export const AREAS = ["core", "pages", "admin", "workshops", "audit", "claim"] as const;
export type Area = (typeof AREAS)[number];
export type Values = Record<string, string | number>;
export type Say = (key: Key, values?: Values) => string;

const STORED = "litemaas.language";
const loaded = new Map<string, Record<string, string>>();

export async function loadTexts(area: Area, language: Language): Promise<void> {
  const name = `${area}/${language}`;
  const load = loaders[name];
  if (!loaded.has(name) && load) loaded.set(name, (await load()).default);
}

export function isLanguage(name: string | null | undefined): name is Language {
  return !!name && name in LANGUAGES;
}

/** The stored choice, then what the browser asks for, then English. */
export function firstLanguage(): Language {
  const wanted = [readStored(), ...navigator.languages.map((name) => name.slice(0, 2).toLowerCase())];
  return wanted.find(isLanguage) ?? "en";
}

function readStored(): string | null {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

function find(language: Language, key: string): string | undefined {
  for (const area of AREAS) {
    const text = loaded.get(`${area}/${language}`)?.[key];
    if (text !== undefined) return text;
  }
  return undefined;
}

/** The text for a key; with `count`, in the plural form that the language wants for it. */
export function say(language: Language, key: string, values?: Values): string {
  const count = values?.["count"];
  const rule = typeof count === "number" ? new Intl.PluralRules(language).select(count) : undefined;
  const text = (rule && (find(language, `${key}_${rule}`) ?? find(language, `${key}_other`))) ?? find(language, key) ?? key;
  if (!values) return text;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? value.toLocaleString(language) : value;
  });
}

interface Speech {
  language: Language;
  say: Say;
  speak: (language: Language) => Promise<void>;
}

const SpeechContext = createContext<Speech | null>(null);
const wantedAreas = new Set<Area>(["core"]);

export async function prepareTexts(area: Area): Promise<void> {
  wantedAreas.add(area);
  await loadTexts(area, current);
}

let current: Language = "en";

export async function begin(language: Language): Promise<void> {
  current = language;
  document.documentElement.lang = language;
  setLocale(language);
  await Promise.all([...wantedAreas].map((area) => loadTexts(area, language)));
}

export function SpeechProvider({ first, children }: { first: Language; children: ReactNode }) {
  const [language, setLanguage] = useState(first);
  const speak = useCallback(async (wanted: Language) => {
    await begin(wanted);
    try {
      localStorage.setItem(STORED, wanted);
    } catch {
      // A browser that stores nothing asks again next time.
    }
    setLanguage(wanted);
  }, []);
  const speech = useMemo<Speech>(
    () => ({ language, speak, say: (key, values) => say(language, key, values) }),
    [language, speak],
  );
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  return <SpeechContext value={speech}>{children}</SpeechContext>;
}

export function useSpeech(): Speech {
  const speech = useContext(SpeechContext);
  if (!speech) throw new Error("no SpeechProvider");
  return speech;
}

/** The function that says a text. */
export function useSay(): Say {
  return useSpeech().say;
}
