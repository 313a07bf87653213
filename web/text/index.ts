import { en, type Texts } from "./en.ts";
import { translator } from "./language.ts";
import { zh } from "./zh.ts";

export type TextKey = keyof Texts;

/** A text in the language of the page; `{name}` in it is replaced by the value of that name. */
export const t = translator(en, zh);
