/**
 * The graph: values, nodes, shapes and numbers, and the checks that all folders share. It knows no operators and imports nothing.
 */
export * as attribute from "./attributes.ts";
export { check, checkArguments, checkOptions, describe, listed, nearest, type OptionKind } from "./check.ts";
export { type RealType, toBrain, toFloat32, toHalf, toReal, widen } from "./convert.ts";
export { fileKind } from "./file-kind.ts";
export {
  type Attribute,
  type Attributes,
  Float,
  Graph,
  type NewNode,
  type Node,
  type TensorType,
  uniqueNames,
  type Value,
} from "./graph.ts";
export { printGraph } from "./print.ts";
export { broadcast, type Dim, formatShape, isStatic, product, quotient, type Shape, sameShape } from "./shape.ts";
export { checkStateDict, commonPrefixes, countFitting, type FittedKeys, fitKeys, renameKeys } from "./state-dict.ts";
export {
  asData,
  asTensor,
  type DType,
  fromBytes,
  itemSize,
  type Numbers,
  numel,
  type TensorData,
  type TypedArray,
  tensor,
  toBytes,
  zeros,
} from "./tensor.ts";
