import { KINDS } from "../layout/page.ts";
import type { Mark } from "../read/compare.ts";
import type { Kind } from "../read/layers.ts";
import { FONTS } from "../text.ts";

/** Colors of a drawing; `"auto"` follows the reader's setting (prefers-color-scheme). */
export type Theme = "light" | "dark" | "auto";

/** Colors by name: those of the page, and for each kind those of its face and its edge. */
export type Palette = Readonly<
  Record<"page" | "ink" | "muted" | "line" | "frame" | "rim" | "block" | `${Kind}-${"face" | "edge"}`, string>
>;

const LIGHT: Palette = {
  page: "#ffffff",
  ink: "#1c2430",
  muted: "#5b6675",
  line: "#8b97a6",
  frame: "#f6f8fa",
  rim: "#d5dbe3",
  block: "#ffffff",
  "conv-face": "#cfe0fb",
  "conv-edge": "#4a80d4",
  "pointwise-face": "#c9eeec",
  "pointwise-edge": "#2c9c98",
  "linear-face": "#e2d8fb",
  "linear-edge": "#8160d0",
  "pool-face": "#fbd3d5",
  "pool-edge": "#d2595f",
  "norm-face": "#d3edcf",
  "norm-edge": "#5aa552",
  "activation-face": "#ffe2b0",
  "activation-edge": "#e09b2d",
  "softmax-face": "#f9d3ec",
  "softmax-edge": "#c4519f",
  "dropout-face": "#eceef1",
  "dropout-edge": "#929ba7",
  "join-face": "#dbe2ea",
  "join-edge": "#66758a",
  "other-face": "#efe9df",
  "other-edge": "#a08d6c",
};

const DARK: Palette = {
  page: "#0f141b",
  ink: "#e8edf3",
  muted: "#9aa7b6",
  line: "#66758a",
  frame: "#151c26",
  rim: "#303b4a",
  block: "#1a222d",
  "conv-face": "#1d3a66",
  "conv-edge": "#6ea3f2",
  "pointwise-face": "#12494a",
  "pointwise-edge": "#4cc3be",
  "linear-face": "#3a2c68",
  "linear-edge": "#a78cf0",
  "pool-face": "#5c2429",
  "pool-edge": "#ef7f84",
  "norm-face": "#224a24",
  "norm-edge": "#78c56f",
  "activation-face": "#5c4111",
  "activation-edge": "#efb455",
  "softmax-face": "#5a2049",
  "softmax-edge": "#e57fc3",
  "dropout-face": "#2b323c",
  "dropout-edge": "#8d99a8",
  "join-face": "#323d4c",
  "join-edge": "#94a5bb",
  "other-face": "#40382a",
  "other-edge": "#bfa97f",
};

/** Colors of comparisons: neutral for what both networks have. */
const DIFF = {
  light: {
    "same-face": "#eef1f4",
    "same-edge": "#aab4c0",
    "changed-face": "#e8dcfb",
    "changed-edge": "#8a5cd0",
    "first-face": "#cfe0fb",
    "first-edge": "#3f74c9",
    "second-face": "#ffdcc4",
    "second-edge": "#d9652b",
  },
  dark: {
    "same-face": "#222a34",
    "same-edge": "#596677",
    "changed-face": "#432d6e",
    "changed-edge": "#b294f2",
    "first-face": "#1d3a66",
    "first-edge": "#6ea3f2",
    "second-face": "#5f3216",
    "second-edge": "#f0945c",
  },
} as const satisfies Record<string, Readonly<Record<`${Mark}-${"face" | "edge"}`, string>>>;
const MARKS = ["same", "changed", "first", "second"] as const satisfies readonly Mark[];

/** All colors of a theme, those of comparisons too. */
export const allColors = (theme: "light" | "dark"): Readonly<Record<string, string>> & Palette => ({
  ...palette(theme),
  ...DIFF[theme],
});

/** The colors of drawings in a theme: of the page, and for each family of layers those of its face and its edge. */
export const palette = (theme: "light" | "dark"): Palette => (theme === "dark" ? DARK : LIGHT);

const ROOT = "convnets-drawing";

const variables = (palette: Readonly<Record<string, string>>) =>
  Object.entries(palette)
    .map(([name, color]) => `--${name}:${color}`)
    .join(";");

/** Class of the drawing's root element, so that drawings on one page do not affect each other. */
export const rootClass = (theme: Theme): string => `${ROOT} ${ROOT}-${theme}`;

/**
 * The style sheet of a drawing. Colors are custom properties, each preceded by the plain color for programs that do not know
 * custom properties.
 */
export function styleSheet(theme: Theme, diff = false): string {
  const root = `.${ROOT}-${theme}`;
  const of = (theme: "light" | "dark"): Readonly<Record<string, string>> => (diff ? allColors(theme) : palette(theme));
  const colors = of(theme === "dark" ? "dark" : "light");
  const rule = (selector: string, property: "fill" | "stroke", name: string) =>
    `${root} ${selector}{${property}:${colors[name]};${property}:var(--${name})}`;
  const kinds: readonly string[] = diff ? MARKS : Object.keys(KINDS);
  return [
    `${root}{${variables(colors)};font-family:${FONTS}}`,
    rule(".page", "fill", "page"),
    rule("text", "fill", "ink"),
    rule(".muted", "fill", "muted"),
    rule(".wire", "stroke", "line"),
    rule(".tip", "fill", "line"),
    rule(".frame", "fill", "frame"),
    rule(".frame", "stroke", "rim"),
    rule(".block", "fill", "block"),
    rule(".block", "stroke", "line"),
    rule(".end", "fill", "page"),
    rule(".end", "stroke", "line"),
    ...kinds.flatMap((kind) => [
      rule(`.${kind}`, "fill", `${kind}-face`),
      rule(`.${kind}`, "stroke", `${kind}-edge`),
      rule(`.band.${kind}`, "fill", `${kind}-edge`),
      rule(`.slice.${kind}`, "fill", `${kind}-edge`),
    ]),
    `${root} .wire{fill:none;stroke-width:1.4}`,
    `${root} .dropout{stroke-dasharray:3 2}`,
    `${root} .band{stroke:none}`,
    `${root} .ring{fill:none;stroke-width:3}`,
    `${root} .small{stroke-width:.7}`,
    `${root} .slice{stroke:none}`,
    `${root} .outline{fill:none}`,
    `${root} .shade{fill:#000;fill-opacity:.12;stroke:none}`,
    `${root} .gleam{fill:#fff;fill-opacity:${theme === "dark" ? 0.1 : 0.4};stroke:none}`,
    // last, since it overrides the rules above
    ...(theme === "auto"
      ? [`@media (prefers-color-scheme:dark){${root}{${variables(of("dark"))}}${root} .gleam{fill-opacity:.1}}`]
      : []),
  ].join("\n");
}
