import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  init,
  Linear,
  type ModelSpec,
  Module,
  Sequential,
  type Tensor,
} from "../nn/index.ts";
import { FOR_CIFAR, type ModelEntry } from "./entry.ts";
import { type ModelOptions, variantOf } from "./options.ts";
import { DEEP_RESIDUAL } from "./resnet.ts";

const weight = init.kaimingNormal({ nonlinearity: "relu" });
const conv3x3 = (from: number, to: number, stride = 1) =>
  new Conv2d(from, to, 3, { stride, padding: 1, bias: false, weight });

/**
 * Two 3×3 convolutions whose result is added to the input. The shortcut has no weights: where the width doubles, it takes every
 * second pixel and fills the new channels with zeros (option A of the paper).
 *
 *     x [N, inChannels, H, W] → y [N, width, H/stride, W/stride]
 */
class BasicBlock extends Module<Tensor> {
  static readonly type: string = "BasicBlock";
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly #stride: number;
  readonly #newChannels: number;

  constructor(inChannels: number, width: number, stride: number) {
    super();
    this.conv1 = conv3x3(inChannels, width, stride);
    this.bn1 = new BatchNorm2d(width);
    this.conv2 = conv3x3(width, width);
    this.bn2 = new BatchNorm2d(width);
    this.#stride = stride;
    this.#newChannels = width - inChannels;
  }

  forward(x: Tensor): Tensor {
    const y = this.bn1.call(this.conv1.call(x)).relu(); // [N, width, H/stride, W/stride]
    const skipped = x.slice(2, 0, undefined, this.#stride).slice(3, 0, undefined, this.#stride);
    const shortcut = skipped.pad([0, 0, 0, 0, this.#newChannels / 2, this.#newChannels / 2]);
    return this.bn2.call(this.conv2.call(y)).add(shortcut).relu();
  }
}

/** Number of layers with weights, 6n + 2 for n blocks in each of three stages. */
export type CifarResNetDepth = 20 | 32 | 44 | 56 | 110;

/**
 * A residual network for images of 32×32 (He et al. 2016, section 4.2).
 *
 *     x [N, C, H, W] → logits [N, numClasses]
 *
 * Its weights have the keys of the implementation by Y. Idelbayev (akamaster), whose published weights it loads.
 */
export class CifarResNet extends Module<Tensor> {
  static readonly type: string = "ResNet";
  override readonly spec: ModelSpec;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly avgpool: AdaptiveAvgPool2d;
  readonly linear: Linear;

  constructor(depth: CifarResNetDepth, { numClasses = 10, inChannels = 3 }: ModelOptions = {}) {
    super();
    // a learning rate of 0.1 for batches of 128
    this.spec = { inputSize: 32, minInputSize: 1, inChannels, training: { lr: 0.05, weightDecay: 1e-4 } };
    const stage = (from: number, width: number) =>
      new Sequential(
        ...Array.from({ length: (depth - 2) / 6 }, (_, i) =>
          i === 0 ? new BasicBlock(from, width, width / from) : new BasicBlock(width, width, 1),
        ),
      );
    this.conv1 = conv3x3(inChannels, 16);
    this.bn1 = new BatchNorm2d(16);
    this.layer1 = stage(16, 16);
    this.layer2 = stage(16, 32);
    this.layer3 = stage(32, 64);
    this.avgpool = new AdaptiveAvgPool2d(1);
    this.linear = new Linear(64, numClasses, { weight });
  }

  forward(x: Tensor): Tensor {
    x = this.bn1.call(this.conv1.call(x)).relu(); // [N, 16, 32, 32]
    x = this.layer1.call(x); //                      [N, 16, 32, 32]
    x = this.layer2.call(x); //                      [N, 32, 16, 16]
    x = this.layer3.call(x); //                      [N, 64, 8, 8]
    x = this.avgpool.call(x).flatten(1); //          [N, 64]
    return this.linear.call(x); //                   [N, numClasses]
  }
}

/** A {@link CifarResNet}. Throws for a variant other than `"paper"`. */
export function cifarResnet(depth: CifarResNetDepth, options: ModelOptions = {}): CifarResNet {
  variantOf(`resnet${depth}`, options, ["paper"]);
  return new CifarResNet(depth, options);
}

const entry = (depth: CifarResNetDepth): ModelEntry<CifarResNet> => ({
  build: (options) => cifarResnet(depth, options),
  variants: ["paper"],
  ...FOR_CIFAR,
  title: `ResNet with ${depth} weight layers for CIFAR`,
  paper: DEEP_RESIDUAL,
});

export const CIFAR_RESNET = {
  resnet20: entry(20),
  resnet32: entry(32),
  resnet44: entry(44),
  resnet56: entry(56),
  resnet110: entry(110),
} as const satisfies Record<string, ModelEntry>;
