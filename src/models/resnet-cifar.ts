import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  Flatten,
  init,
  Linear,
  type ModelSpec,
  ReLU,
  Sequential,
  type Tensor,
} from "../nn/index.ts";
import { FOR_CIFAR, type ModelEntry } from "./entry.ts";
import { type ModelOptions, variantOf } from "./options.ts";
import { DEEP_RESIDUAL } from "./resnet.ts";

/** Number of layers with weights, 6n + 2 for n blocks in each of three stages. */
export type CifarResNetDepth = 20 | 32 | 44 | 56 | 110;

const plain = { padding: 1, bias: false, weight: init.kaimingNormal({ nonlinearity: "relu" }) };
const conv3x3 = (from: number, to: number, stride = 1) => new Conv2d(from, to, 3, { stride, ...plain });

/**
 * Two 3×3 convolutions whose result is added to the input. The shortcut has no weights: where the width doubles, it takes every
 * second pixel and fills the new channels with zeros (option A of the paper).
 *
 *     x [N, inChannels, H, W] → y [N, width, H/stride, W/stride], stride = width/inChannels
 */
class BasicBlock extends Sequential {
  static override readonly type: string = "BasicBlock";

  constructor(inChannels: number, width: number) {
    super({
      conv1: conv3x3(inChannels, width, width / inChannels),
      bn1: new BatchNorm2d(width),
      relu: new ReLU(),
      conv2: conv3x3(width, width),
      bn2: new BatchNorm2d(width),
    });
  }

  override forward(x: Tensor): Tensor {
    const y = super.forward(x);
    const added = (Number(y.shape[1]) - Number(x.shape[1])) / 2; // channels on either side
    if (added > 0) x = x.slice(2, 0, undefined, 2).slice(3, 0, undefined, 2).pad([0, 0, 0, 0, added, added]);
    return y.add(x).relu();
  }
}

/**
 * A residual network for images of 32×32 (He et al. 2016, section 4.2).
 *
 *     x [N, C, H, W] → logits [N, numClasses]
 *
 * Its weights have the keys of the implementation by Y. Idelbayev (akamaster), whose published weights it loads.
 */
export class CifarResNet extends Sequential {
  static override readonly type: string = "ResNet";
  override readonly spec: ModelSpec;
  declare readonly linear: Linear;

  constructor(depth: CifarResNetDepth, { numClasses = 10, inChannels = 3 }: ModelOptions = {}) {
    const stage = (from: number, width: number) =>
      new Sequential(Array.from({ length: (depth - 2) / 6 }, (_, i) => new BasicBlock(i === 0 ? from : width, width)));
    super({
      conv1: conv3x3(inChannels, 16), //     [N, 16, 32, 32]
      bn1: new BatchNorm2d(16),
      relu: new ReLU(),
      layer1: stage(16, 16), //              [N, 16, 32, 32]
      layer2: stage(16, 32), //              [N, 32, 16, 16]
      layer3: stage(32, 64), //              [N, 64, 8, 8]
      avgpool: new AdaptiveAvgPool2d(1), //  [N, 64, 1, 1]
      flatten: new Flatten(), //             [N, 64]
      linear: new Linear(64, numClasses, { weight: plain.weight }),
    });
    // a learning rate of 0.1 for batches of 128
    this.spec = { inputSize: 32, minInputSize: 1, inChannels, training: { lr: 0.05, weightDecay: 1e-4 } };
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
