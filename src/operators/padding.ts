import { attribute, check, formatShape } from "../graph/index.ts";
import type { Backward, Gradients } from "./operator.ts";
import type { Ops } from "./ops.ts";
import { separable, transposed } from "./pooling.ts";

/** Padding along one axis as a matrix [out, size]: row o holds 1 where element o comes from. */
function copyMatrix(size: number, before: number, after: number, mode: string): Float32Array {
  const out = before + size + after;
  const matrix = new Float32Array(out * size);
  const last = size - 1;
  for (let o = 0; o < out; o++) {
    const at = o - before;
    const inside = Math.min(Math.max(at, 0), last);
    // mirrored at the border element, which is not repeated
    matrix[o * size + (mode === "edge" ? inside : 2 * inside - at)] = 1;
  }
  return matrix;
}

/** Gradient of Pad: what was added goes to where it came from, and zeros stand for what was cut off. */
export function padGradient(g: Ops, node: Backward): Gradients {
  const { x, dy } = node;
  const mode = attribute.string(node, "mode", "constant");
  const pads = node.numbers(1);
  const back = pads.map((count) => -count);
  if (mode === "constant") return [g.pad(dy, back)];
  const { shape } = x;
  const others = [0, 1, 4, 5].every((i) => pads[i] === 0);
  check(
    (mode === "reflect" || mode === "edge") && shape.length === 4 && others && pads.every((count) => count >= 0),
    () =>
      `Pad: mode "${mode}" with pads ${pads.join(", ")} of ${formatShape(shape)} has no gradient; only that of height and width has`,
  );
  const [rows, columns] = [2, 3].map((axis) => {
    const size = shape[axis] as number;
    return transposed(copyMatrix(size, pads[axis]!, pads[axis + 4]!, mode), size);
  });
  return [separable(g, dy, rows!, columns!)];
}
