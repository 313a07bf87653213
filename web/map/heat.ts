/** Costs as colors of the map. */
import type { Diagram } from "convnets/draw";
import type { Row } from "convnets/summary";

export type Cost = "params" | "macs" | "memory";

/** What a layer or block costs: parameters, multiply-accumulates, or bytes of its results. */
export function costOf(row: Row, cost: Cost): number {
  return cost === "params" ? row.params : cost === "macs" ? row.macs : row.activationBytes;
}

/** What a box that is not open costs. */
function* costsOf(diagram: Diagram, cost: Cost, rowOf: (id: string) => Row | undefined) {
  for (const { id, open } of diagram.nodes) {
    const row = rowOf(id);
    if (!open) yield [id, row ? costOf(row, cost) : 0] as const;
  }
}

/** The largest cost of a box. */
export const mostOf = (diagram: Diagram, cost: Cost, rowOf: (id: string) => Row | undefined): number =>
  Math.max(1, ...[...costsOf(diagram, cost, rowOf)].map(([, value]) => value));

/** A number from 0 to 1 for each box: the square root of its cost's share of the largest, so that small ones can be told apart. */
export function heatOf(
  diagram: Diagram,
  cost: Cost,
  rowOf: (id: string) => Row | undefined,
): ReadonlyMap<string, number> {
  const costs = [...costsOf(diagram, cost, rowOf)];
  const most = mostOf(diagram, cost, rowOf);
  return new Map(costs.map(([id, value]) => [id, Math.sqrt(value / most)]));
}
