/** Costs as colors of the map. */
import type { Diagram } from "convnets/draw";
import type { Row } from "convnets/summary";

export type Cost = "params" | "macs" | "memory";

/** What a layer or block costs: parameters, multiply-accumulates, or bytes of its output. */
export function costOf(row: Row, cost: Cost): number {
  return cost === "params" ? row.params : cost === "macs" ? row.macs : row.activationBytes;
}

/** A number from 0 to 1 for each box: the square root of its cost's share of the largest, so that small ones can be told apart. */
export function heatOf(
  diagram: Diagram,
  cost: Cost,
  rowOf: (id: string) => Row | undefined,
): ReadonlyMap<string, number> {
  const costs = diagram.nodes.flatMap(({ id, open }) => {
    const row = rowOf(id);
    return open ? [] : [[id, row ? costOf(row, cost) : 0] as const];
  });
  const most = Math.max(1, ...costs.map(([, value]) => value));
  return new Map(costs.map(([id, value]) => [id, Math.sqrt(value / most)]));
}
