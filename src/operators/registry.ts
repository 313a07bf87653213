import { check } from "../graph/index.ts";
import { activation } from "./activation.ts";
import { convolution } from "./convolution.ts";
import { elementwise } from "./elementwise.ts";
import { layout } from "./layout.ts";
import { linear } from "./linear.ts";
import { normalization } from "./normalization.ts";
import type { Operator } from "./operator.ts";
import { pooling } from "./pooling.ts";
import { reduction } from "./reduction.ts";
import { resampling } from "./resampling.ts";
import { softmax } from "./softmax.ts";

/** All operators by name; those outside ONNX's own domain carry theirs. */
export const OPERATORS: Readonly<Record<string, Operator>> = {
  ...activation,
  ...convolution,
  ...elementwise,
  ...layout,
  ...linear,
  ...normalization,
  ...pooling,
  ...reduction,
  ...resampling,
  ...softmax,
};

/** The record of an operator. Throws where the project does not know it. */
export function operator(op: string, domain = ""): Operator {
  const name = domain === "" ? op : `${domain}.${op}`;
  const found = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined;
  check(found, () => `the operator ${name} is not known; known are ${Object.keys(OPERATORS).sort().join(", ")}`);
  return found;
}
