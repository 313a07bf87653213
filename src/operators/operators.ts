import { einsum } from "./einsum.ts";
import type { Operator } from "./operator.ts";
import { quantized } from "./quantized.ts";
import { addOperators, COMMON } from "./registry.ts";

// apart from the common ones, so that a bundle that reads no .onnx file leaves them out
const IMPORTED = { ...einsum, ...quantized };
addOperators(IMPORTED);

const ALL = { ...COMMON, ...IMPORTED };

/** Names of all known operators. Those outside ONNX's own domain start with it, as in "com.microsoft.FusedMatMul". */
export type OperatorName = keyof typeof ALL;

/**
 * All known operators by name: `Object.keys(OPERATORS)` lists them. They can be added to graphs with `Ops` and are understood in
 * .onnx files.
 */
export const OPERATORS: Readonly<Record<OperatorName, Operator> & Record<string, Operator>> = ALL;
