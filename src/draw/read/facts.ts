import { numel } from "../../graph/index.ts";
import { shapeText, short } from "../text.ts";
import { type Network, unitsOf } from "./parts.ts";

/** Parameters, and multiply-accumulates for one image. */
export function totalsOf({ root }: Network): { readonly params: number; readonly macs: number } {
  const units = unitsOf(root);
  const weights = new Set(units.flatMap((unit) => unit.weights));
  const params = [...weights].reduce((total, { shape }) => total + numel(shape.map(Number)), 0);
  return { params, macs: units.reduce((total, unit) => total + unit.macs, 0) };
}

/** Input, parameters and cost per image, as the line below the headline: `input 3×224×224  ·  138 M parameters  ·  …`. */
export function factsOf(network: Network): string {
  const { params, macs } = totalsOf(network);
  const input = network.inputs.map(({ shape }) => shapeText(shape.slice(1))).join(", ");
  return [
    `input ${input}`,
    ...(params > 0 ? [`${short(params)} parameters`] : []),
    ...(macs > 0 ? [`${short(macs)} multiply-accumulates`] : []),
  ].join("  ·  ");
}

/** The drawing in words, for screen readers. */
export function descriptionOf(network: Network): string {
  const outputs = [...network.outputs].map(([name, { shape }]) => `${name} ${shapeText(shape.slice(1))}`).join(", ");
  return `Architecture of a neural network. ${factsOf(network)}. Outputs: ${outputs}.`;
}
