/** Theme and language: as the address says, else as the browser is set. */
import { computed, effect, signal } from "@preact/signals";
import { palette } from "convnets/draw";
import { route } from "./route.ts";

const dark = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(dark.matches);
dark.addEventListener("change", () => {
  systemDark.value = dark.matches;
});

export const theme = computed<"light" | "dark">(() => route.value.theme ?? (systemDark.value ? "dark" : "light"));

export const language = computed<"en" | "zh">(
  () => route.value.language ?? (navigator.language.startsWith("zh") ? "zh" : "en"),
);

const narrow = matchMedia("(max-width: 760px)");
/** Whether the page is as narrow as a phone's. */
export const isNarrow = signal(narrow.matches);
narrow.addEventListener("change", () => {
  isNarrow.value = narrow.matches;
});

effect(() => {
  const { dataset, style } = document.documentElement;
  dataset.theme = theme.value;
  // the ink of the page is the page's own
  const { ink, muted, ...colors } = palette(theme.value);
  for (const [name, color] of Object.entries(colors)) style.setProperty(`--${name}`, color);
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
});
