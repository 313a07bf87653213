/** Where the arrow keys lead on the map. */
import type { Diagram, DiagramNode } from "convnets/draw";

export type Arrow = "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown";

const middle = ({ x, y, width, height }: DiagramNode) => [x + width / 2, y + height / 2] as const;

/**
 * The box that an arrow key leads to: right and left follow the lines, up and down change to the branch beside it. In a column, the
 * keys change roles.
 */
export function walk(diagram: Diagram, from: string | undefined, arrow: Arrow): string | undefined {
  const { nodes, links, direction } = diagram;
  const shown = nodes.filter(({ open }) => !open);
  const at = shown.find(({ id }) => id === from);
  if (!at) {
    // an open frame leads to what is in it
    const inside = shown.find(({ parent }) => from !== undefined && parent === from);
    return (inside ?? shown[0])?.id;
  }
  const along = direction === "right" ? ["ArrowRight", "ArrowLeft"] : ["ArrowDown", "ArrowUp"];
  const byId = new Map(shown.map((node) => [node.id, node]));
  const next = links.flatMap(([a, b]) => (a === at.id ? (byId.get(b) ?? []) : []));
  const previous = links.flatMap(([a, b]) => (b === at.id ? (byId.get(a) ?? []) : []));
  if (arrow === along[0]) return nearest(at, next)?.id;
  if (arrow === along[1]) return nearest(at, previous)?.id;
  const axis = direction === "right" ? 1 : 0;
  const forward = arrow === "ArrowDown" || arrow === "ArrowRight";
  const siblings = links.flatMap(([a, b]) => {
    if (previous.some(({ id }) => id === a) && b !== at.id) return byId.get(b) ?? [];
    if (next.some(({ id }) => id === b) && a !== at.id) return byId.get(a) ?? [];
    return [];
  });
  const beyond = (node: DiagramNode) => {
    const distance = middle(node)[axis] - middle(at)[axis];
    return node.id !== at.id && (forward ? distance > 4 : distance < -4);
  };
  const candidates = siblings.filter(beyond);
  return nearest(at, candidates.length > 0 ? candidates : shown.filter(beyond))?.id;
}

function nearest(from: DiagramNode, nodes: readonly DiagramNode[]): DiagramNode | undefined {
  const [x, y] = middle(from);
  const distance = (node: DiagramNode) => Math.hypot(middle(node)[0] - x, middle(node)[1] - y);
  return nodes.reduce<DiagramNode | undefined>(
    (best, node) => (!best || distance(node) < distance(best) ? node : best),
    undefined,
  );
}
