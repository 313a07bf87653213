/** For each operator of the project, applications at random geometry with PyTorch's expression for the same. */
import { activation } from "./activation.ts";
import { convolution } from "./convolution.ts";
import { einsum } from "./einsum.ts";
import { elementwise } from "./elementwise.ts";
import { layout } from "./layout.ts";
import { linear } from "./linear.ts";
import { normalization } from "./normalization.ts";
import { pooling } from "./pooling.ts";
import { quantized } from "./quantized.ts";
import { reduction, softmax } from "./reduction.ts";
import { resampling } from "./resampling.ts";

export const CASES = {
  activation,
  convolution,
  einsum,
  elementwise,
  layout,
  linear,
  normalization,
  pooling,
  quantized,
  reduction,
  resampling,
  softmax,
};
