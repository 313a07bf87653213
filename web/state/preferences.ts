/** Theme and language: as the address says, else as the browser is set. */
import { computed, effect } from "@preact/signals";
import { language } from "../text/language.ts";
import { dress, isNarrow, systemDark } from "../ui/theme.ts";
import { route } from "./route.ts";

export { isNarrow, language };

export const theme = computed<"light" | "dark">(() => route.value.theme ?? (systemDark.value ? "dark" : "light"));

const own = language.peek();
effect(() => {
  language.value = route.value.language ?? own;
});

effect(() => dress(theme.value, language.value));
