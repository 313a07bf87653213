/** Boxes and the ids that they stand for. */
import type { Diagram, DiagramNode } from "convnets/draw";

/** The path of the module that an id stands for. */
export const pathOf = (id: string) => id.replace(/~\d+$/, "");

/** Whether a box stands for an id, or for something inside it that the map does not show apart. */
export function stands(node: DiagramNode, id: string): boolean {
  if (node.id === id) return true;
  if (node.open) return false;
  return node.members.some((member) => member === id || member.startsWith(`${id}.`));
}

/** The boxes that stand for an id. */
export function nodesOf(diagram: Diagram | undefined, id: string | undefined): readonly DiagramNode[] {
  if (!diagram || id === undefined) return [];
  const exact = diagram.nodes.filter((node) => node.id === id);
  return exact.length > 0 ? exact : diagram.nodes.filter((node) => stands(node, id));
}
