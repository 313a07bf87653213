import type { Scene, Text } from "../layout/scene.ts";
import type { Segment } from "../paint/segments.ts";
import { strokesOf } from "../paint/strokes.ts";
import { palette } from "../paint/theme.ts";

/** Points of a page for each pixel. */
const POINTS = 0.75;

/** A scene as a LaTeX document of its own with a TikZ picture, whose texts are set in the document's sans-serif font. */
export function tikz(scene: Scene, title: string, theme: "light" | "dark"): string {
  const colors = palette(theme);
  const { strokes, texts } = strokesOf(scene, theme);
  const used = [...new Set([...strokes.flatMap(({ fill, stroke }) => [fill, stroke]), colors.ink, colors.muted])];
  const hexes = used.filter((hex) => hex !== undefined);
  const name = (hex: string) => `c${hexes.indexOf(hex)}`;
  return [
    `% ${title.replaceAll(/\s+/g, " ")}`,
    "% \\input what is between \\begin{tikzpicture} and \\end{tikzpicture}, or compile this file.",
    "\\documentclass[tikz]{standalone}",
    "\\usepackage[T1]{fontenc}",
    ...hexes.map((hex) => `\\definecolor{${name(hex)}}{HTML}{${hex.slice(1).toUpperCase()}}`),
    "\\begin{document}",
    `\\begin{tikzpicture}[x=${POINTS}bp, y=-${POINTS}bp, line width=${POINTS}bp]`,
    ...strokes.map(({ segments, fill, opacity, stroke, width, dashed }) => {
      const options = [
        ...(fill ? [`fill=${name(fill)}`] : []),
        ...(opacity === undefined ? [] : [`fill opacity=${opacity}`]),
        ...(stroke ? [`draw=${name(stroke)}`] : []),
        ...(stroke && width !== 1 ? [`line width=${n(POINTS * width)}bp`] : []),
        ...(stroke && dashed ? ["dash pattern=on 2.2bp off 1.5bp"] : []),
      ];
      return `\\path[${options.join(", ")}] ${segments.map(operation).join(" ")};`;
    }),
    ...texts.map((text) => node(text, name(text.tone === "muted" ? colors.muted : colors.ink))),
    "\\end{tikzpicture}",
    "\\end{document}",
    "",
  ].join("\n");
}

/** A number with at most two decimals. */
const n = (value: number): string => String(Math.round(value * 100) / 100);
const at = ([x, y]: readonly [number, number]): string => `(${n(x)},${n(y)})`;

function operation(segment: Segment): string {
  if (segment.kind === "close") return "-- cycle";
  if (segment.kind === "move") return at(segment.to);
  if (segment.kind === "line") return `-- ${at(segment.to)}`;
  const [a, b] = segment.controls;
  return `.. controls ${at(a)} and ${at(b)} .. ${at(segment.to)}`;
}

function node({ x, y, text, size, tone, anchor, turned }: Text, color: string): string {
  const anchors = { start: "base west", middle: "base", end: "base east" } as const;
  const points = n(POINTS * size);
  const font = `\\sffamily${tone === "bold" ? "\\bfseries" : ""}\\fontsize{${points}bp}{${points}bp}\\selectfont`;
  const options = [`anchor=${anchors[anchor]}`, "inner sep=0pt", `text=${color}`, ...(turned ? ["rotate=90"] : [])];
  return `\\node[${options.join(", ")}, font=${font}] at ${at([x, y])} {${texText(text)}};`;
}

const TEX: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "×": "$\\times$",
  "·": "$\\cdot$",
  "−": "$-$",
  "→": "$\\rightarrow$",
  "÷": "$\\div$",
  "…": "\\ldots{}",
  "|": "\\textbar{}",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
  '"': "\\textquotedbl{}",
};

/** Text without anything that TeX would take for a command. */
export function texText(text: string): string {
  return [...text]
    .map((character) => {
      if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(character)) return " ";
      if (/[{}$&#_%]/.test(character)) return `\\${character}`;
      return TEX[character] ?? character;
    })
    .join("");
}
