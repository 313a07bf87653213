import { type Node, numel, type Value } from "../../graph/index.ts";
import { OPERATORS } from "../../operators/index.ts";
import { shapeText, short } from "../text.ts";
import { type Network, unitsOf } from "./parts.ts";

/** Input, parameters and cost per image, as the line below the headline: `input 3×224×224  ·  138 M parameters  ·  …`. */
export function factsOf(network: Network): string {
  const units = unitsOf(network.root);
  const weights = new Set(units.flatMap((unit) => [...network.weights(unit)]));
  const params = [...weights].reduce((total, { shape }) => total + numel(shape.map(Number)), 0);
  const batch = Number(network.inputs[0]?.shape[0]) || 1;
  const macs = units.flatMap(({ nodes }) => nodes).reduce((total, node) => total + macsOf(node), 0) / batch;
  const input = network.inputs.map(({ shape }) => shapeText(shape.slice(1))).join(", ");
  return [
    `input ${input}`,
    ...(params > 0 ? [`${short(params)} parameters`] : []),
    ...(macs > 0 ? [`${short(macs)} multiply-accumulates`] : []),
  ].join("  ·  ");
}

/** Multiply-accumulates of a node for one image; unknown sizes count as 1. */
function macsOf(node: Node): number {
  const known = ({ shape, ...value }: Value): Value => ({ ...value, shape: shape.map((dim) => Number(dim) || 1) });
  const macs = OPERATORS[node.domain === "" ? node.op : `${node.domain}.${node.op}`]?.macs;
  return (
    macs?.({ ...node, inputs: node.inputs.map((value) => value && known(value)), outputs: node.outputs.map(known) }) ??
    0
  );
}

/** The drawing in words, for screen readers. */
export function descriptionOf(network: Network): string {
  const outputs = [...network.outputs].map(([name, { shape }]) => `${name} ${shapeText(shape.slice(1))}`).join(", ");
  return `Architecture of a neural network. ${factsOf(network)}. Outputs: ${outputs}.`;
}
