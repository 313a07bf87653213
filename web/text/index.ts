import { language } from "../state/preferences.ts";
import { en, type Texts } from "./en.ts";
import { zh } from "./zh.ts";

export type TextKey = keyof Texts;

/** A text in the language of the page; `{name}` in it is replaced by the value of that name. */
export function t(key: TextKey, values: Readonly<Record<string, string | number>> = {}): string {
  const text = (language.value === "zh" ? zh : en)[key];
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}
