import { palette } from "../paint/theme.ts";
import { type Entry, linesOf, type Outline } from "./outline.ts";

/** An outline in the language of Graphviz, with a cluster for each open block. */
export function dot(
  { entries, links }: Outline,
  { title, direction, theme }: { title: string; direction: "right" | "down"; theme: "light" | "dark" },
): string {
  const colors = palette(theme);
  const font = `fontname="Helvetica,Arial,sans-serif", fontcolor="${colors.ink}"`;
  const write = ({ name, node, inside }: Entry, indent: string): string[] => {
    const label = linesOf(node).map(dotText).join("\\n");
    if (node.open)
      return [
        `${indent}subgraph cluster_${name} {`,
        `${indent}  graph [label="${label}", style="rounded,filled", color="${colors.rim}", fillcolor="${colors.frame}"];`,
        ...inside.flatMap((entry) => write(entry, `${indent}  `)),
        `${indent}}`,
      ];
    const { kind } = node;
    const [face, edge] = kind ? [colors[`${kind}-face`], colors[`${kind}-edge`]] : [colors.block, colors.line];
    const shape = node.form === "sum" ? ', shape=circle, margin="0.02"' : node.form === "end" ? ", shape=oval" : "";
    const text = node.form === "sum" ? dotText(node.title) : label;
    return [`${indent}${name} [label="${text}", fillcolor="${face}", color="${edge}"${shape}];`];
  };
  return [
    `digraph "${dotText(title)}" {`,
    `  graph [label="${dotText(title)}", labelloc=t, rankdir=${direction === "right" ? "LR" : "TB"}, bgcolor="${colors.page}", ${font}];`,
    `  node [shape=box, style="rounded,filled", fontsize=11, margin="0.2,0.08", ${font}];`,
    `  edge [color="${colors.line}", arrowsize=0.7];`,
    ...entries.flatMap((entry) => write(entry, "  ")),
    ...links.map(([from, to]) => `  ${from} -> ${to};`),
    "}",
    "",
  ].join("\n");
}

/** Text for a quoted string: Graphviz reads escapes after a backslash, and entities after an ampersand. */
export const dotText = (text: string): string =>
  text
    .replaceAll(/\p{Cc}/gu, " ")
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("&", "&amp;");
