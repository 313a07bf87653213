/** How the browser is set, and the colors of the page. */
import { signal } from "@preact/signals";
import { palette } from "convnets/draw";

/** Whether a media query holds, as it changes. */
function matches(query: string) {
  const media = matchMedia(query);
  const holds = signal(media.matches);
  media.addEventListener("change", () => {
    holds.value = media.matches;
  });
  return holds;
}

export const systemDark = matches("(prefers-color-scheme: dark)");
/** Whether the page is as narrow as a phone's. */
export const isNarrow = matches("(max-width: 760px)");

/** Gives the page the colors of a theme, and tells the browser its language. */
export function dress(theme: "light" | "dark", language: "en" | "zh"): void {
  const { dataset, style } = document.documentElement;
  dataset.theme = theme;
  // the ink of the page is the page's own
  const { ink, muted, ...colors } = palette(theme);
  for (const [name, color] of Object.entries(colors)) style.setProperty(`--${name}`, color);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}
