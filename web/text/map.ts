import { translator } from "./language.ts";
import { mapEn } from "./map-en.ts";
import { mapZh } from "./map-zh.ts";

/** A text of the map in the language of the page. */
export const t = translator(mapEn, mapZh);
