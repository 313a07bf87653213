import { KINDS } from "../layout/page.ts";
import { palette } from "../paint/theme.ts";
import type { Kind } from "../read/layers.ts";
import { allOf, type Entry, linesOf, type Outline } from "./outline.ts";

/** An outline as a Mermaid flowchart with a subgraph for each open block. */
export function mermaid(
  { entries, links }: Outline,
  { title, direction, theme }: { title: string; direction: "right" | "down"; theme: "light" | "dark" },
): string {
  const colors = palette(theme);
  const shown = allOf(entries).filter(({ node }) => !node.open);
  const open = allOf(entries).filter(({ node }) => node.open);
  const frames = open.length === 0 ? [] : [`  class ${open.map(({ name }) => name).join(",")} block`];
  const styles = (Object.keys(KINDS) as Kind[]).flatMap((kind) => {
    const names = shown.filter(({ node }) => node.kind === kind).map(({ name }) => name);
    const style = `fill:${colors[`${kind}-face`]},stroke:${colors[`${kind}-edge`]},color:${colors.ink}`;
    return names.length === 0 ? [] : [`  classDef ${kind} ${style}`, `  class ${names.join(",")} ${kind}`];
  });
  const write = (entry: Entry, indent: string): string[] => {
    const { name, node, inside } = entry;
    const label = linesOf(node).map(mermaidText).join("<br>");
    if (node.open)
      return [
        `${indent}subgraph ${name} ["${label}"]`,
        ...inside.flatMap((one) => write(one, `${indent}  `)),
        `${indent}end`,
      ];
    if (node.role === "input" || node.role === "output") return [`${indent}${name}(["${label}"])`];
    if (node.form === "sum") return [`${indent}${name}(("${mermaidText(node.title)}"))`];
    return [`${indent}${name}["${label}"]`];
  };
  return [
    "---",
    `title: ${JSON.stringify(title.replaceAll(/\p{Cc}/gu, " "))}`,
    "---",
    `flowchart ${direction === "right" ? "LR" : "TD"}`,
    ...entries.flatMap((entry) => write(entry, "  ")),
    ...links.map(([from, to]) => `  ${from} --> ${to}`),
    ...styles,
    `  classDef block fill:${colors.frame},stroke:${colors.rim},color:${colors.ink}`,
    ...frames,
    "",
  ].join("\n");
}

/** Text in which every character that means something to Mermaid, Markdown or HTML is a number, as in `#35;`. */
export const mermaidText = (text: string): string =>
  text
    .replaceAll(/\p{Cc}/gu, " ")
    .replaceAll(/[^\p{L}\p{N} .,_()/×·→−…÷]/gu, (character) => `#${character.codePointAt(0)};`);
