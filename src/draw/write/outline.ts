import { formatShape } from "../../graph/index.ts";
import type { Diagram, DiagramNode } from "../diagram-of.ts";
import { shapeText, short } from "../text.ts";

/*
 * A network as text for programs that lay it out themselves: boxes in nested groups, and the lines between them.
 */

export interface Entry {
  /** A name that is safe everywhere: n0, n1, … */
  readonly name: string;
  readonly node: DiagramNode;
  readonly inside: readonly Entry[];
}

export interface Outline {
  readonly entries: readonly Entry[];
  readonly links: readonly (readonly [from: string, to: string])[];
}

export function outlineOf({ nodes, links }: Diagram): Outline {
  const names = new Map(nodes.map(({ id }, i) => [id, `n${i}`]));
  const within = (parent: string | undefined): Entry[] =>
    nodes
      .filter((node) => node.parent === parent)
      .map((node) => ({ name: names.get(node.id)!, node, inside: node.open ? within(node.id) : [] }));
  return { entries: within(undefined), links: links.map(([from, to]) => [names.get(from)!, names.get(to)!] as const) };
}

/** What stands in a box, line by line. */
export function linesOf({ role, title, type, folded, shape, params, open }: DiagramNode): string[] {
  const cost = params > 0 ? [`${short(params)} params`] : [];
  if (open) return [[title, ...cost].join("  ·  ")];
  if (role === "output") return [title];
  const names = folded.map((face) => face.title).join(", ");
  return [
    type ? `${title} (${type})` : title,
    ...(names ? [`+ ${names}`] : []),
    shape.length > 0 ? shapeText(shape) : formatShape(shape),
    ...cost,
  ];
}

/** All entries with what is in them. */
export const allOf = (entries: readonly Entry[]): Entry[] =>
  entries.flatMap((entry) => [entry, ...allOf(entry.inside)]);
