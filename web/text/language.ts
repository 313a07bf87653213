import { signal } from "@preact/signals";

/** The language of the page: the browser's, unless somebody chose another one. */
export const language = signal<"en" | "zh">(navigator.language.startsWith("zh") ? "zh" : "en");

/** Texts by key in both languages; `{name}` in a text is replaced by the value of that name. */
export const translator =
  <K extends string>(en: Readonly<Record<K, string>>, zh: Readonly<Record<K, string>>) =>
  (key: K, values: Readonly<Record<string, string | number>> = {}): string =>
    (language.value === "zh" ? zh : en)[key].replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
