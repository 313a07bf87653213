import { AvgPool2d, Conv2d, Linear, type ModelSpec, Module, type Tensor } from "../nn/index.ts";
import { FOR_DIGITS, type ModelEntry } from "./entry.ts";
import { checkImages, type ModelOptions, variantOf } from "./options.ts";

/**
 * LeNet-5 (LeCun et al. 1998) for gray images of 32×32: digits of 28×28 with a border of 2 pixels.
 *
 *     x [N, C, 32, 32] → logits [N, numClasses]
 *
 * Left out of the paper, as in most implementations: the trained factor and bias after each average, the connections that C3
 * lacks, the scaling of tanh, and the radial basis functions at the end; a dense layer gives the scores.
 *
 * Throws for images smaller than 32×32 or larger than 35×35.
 */
export class LeNet5 extends Module<Tensor> {
  static readonly type: string = "LeNet5";
  override readonly spec: ModelSpec;
  readonly c1: Conv2d;
  readonly s2: AvgPool2d;
  readonly c3: Conv2d;
  readonly s4: AvgPool2d;
  readonly c5: Conv2d;
  readonly f6: Linear;
  readonly output: Linear;

  constructor({ numClasses = 10, inChannels = 1 }: ModelOptions = {}) {
    super();
    this.spec = { inputSize: 32, inChannels, training: { lr: 0.05 } };
    this.c1 = new Conv2d(inChannels, 6, 5);
    this.s2 = new AvgPool2d(2);
    this.c3 = new Conv2d(6, 16, 5);
    this.s4 = new AvgPool2d(2);
    this.c5 = new Conv2d(16, 120, 5);
    this.f6 = new Linear(120, 84);
    this.output = new Linear(84, numClasses);
  }

  forward(x: Tensor): Tensor {
    checkImages("LeNet5", x, [32, 35]);
    x = this.c1.call(x).tanh(); //             [N, 6, 28, 28]
    x = this.s2.call(x); //                    [N, 6, 14, 14]
    x = this.c3.call(x).tanh(); //             [N, 16, 10, 10]
    x = this.s4.call(x); //                    [N, 16, 5, 5]
    x = this.c5.call(x).tanh().flatten(1); //  [N, 120]
    x = this.f6.call(x).tanh(); //             [N, 84]
    return this.output.call(x); //             [N, numClasses]
  }
}

/** A {@link LeNet5}. Throws for a variant other than `"paper"`. */
export function lenet5(options: ModelOptions = {}): LeNet5 {
  variantOf("lenet5", options, ["paper"]);
  return new LeNet5(options);
}

export const LENET = {
  lenet5: {
    build: lenet5,
    variants: ["paper"],
    ...FOR_DIGITS,
    title: "LeNet-5 for handwritten digits",
    paper: {
      title: "Gradient-Based Learning Applied to Document Recognition",
      cite: "LeCun et al. 1998",
      year: 1998,
      url: "https://doi.org/10.1109/5.726791",
    },
  },
} as const satisfies Record<string, ModelEntry>;
