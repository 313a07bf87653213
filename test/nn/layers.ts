/** One of each layer, with the same in Python. */
import * as nn from "../../src/nn/index.ts";

export interface LayerCase {
  /** After `nn.` in Python. */
  readonly python: string;
  readonly make: () => nn.Module<nn.Tensor>;
  /** Without the batch. */
  readonly input: readonly number[];
}

const IMAGE = [4, 6, 8];

export const LAYERS: readonly LayerCase[] = [
  { python: "ReLU()", make: () => new nn.ReLU(), input: IMAGE },
  { python: "ReLU6()", make: () => new nn.ReLU6(), input: IMAGE },
  { python: "LeakyReLU()", make: () => new nn.LeakyReLU(), input: IMAGE },
  { python: "LeakyReLU(0.2)", make: () => new nn.LeakyReLU(0.2), input: IMAGE },
  { python: "PReLU()", make: () => new nn.PReLU(), input: IMAGE },
  { python: "PReLU(4)", make: () => new nn.PReLU(4), input: IMAGE },
  { python: "ELU()", make: () => new nn.ELU(), input: IMAGE },
  { python: "ELU(0.5)", make: () => new nn.ELU(0.5), input: IMAGE },
  { python: "SELU()", make: () => new nn.SELU(), input: IMAGE },
  { python: "CELU()", make: () => new nn.CELU(), input: IMAGE },
  { python: "GELU()", make: () => new nn.GELU(), input: IMAGE },
  { python: "GELU(approximate='tanh')", make: () => new nn.GELU({ approximate: "tanh" }), input: IMAGE },
  { python: "SiLU()", make: () => new nn.SiLU(), input: IMAGE },
  { python: "Mish()", make: () => new nn.Mish(), input: IMAGE },
  { python: "Hardswish()", make: () => new nn.Hardswish(), input: IMAGE },
  { python: "Hardsigmoid()", make: () => new nn.Hardsigmoid(), input: IMAGE },
  { python: "Hardtanh()", make: () => new nn.Hardtanh(), input: IMAGE },
  { python: "Hardtanh(-0.5, 2.0)", make: () => new nn.Hardtanh(-0.5, 2), input: IMAGE },
  { python: "Sigmoid()", make: () => new nn.Sigmoid(), input: IMAGE },
  { python: "Tanh()", make: () => new nn.Tanh(), input: IMAGE },
  { python: "Softplus()", make: () => new nn.Softplus(), input: IMAGE },
  { python: "Softplus(2.0, 5.0)", make: () => new nn.Softplus(2, 5), input: IMAGE },
  {
    python: "ConvTranspose2d(4, 6, (3, 2), stride=2, padding=1, output_padding=1, groups=2)",
    make: () => new nn.ConvTranspose2d(4, 6, [3, 2], { stride: 2, padding: 1, outputPadding: 1, groups: 2 }),
    input: IMAGE,
  },
  {
    python: "ConvTranspose2d(4, 3, 2, bias=False)",
    make: () => new nn.ConvTranspose2d(4, 3, 2, { bias: false }),
    input: IMAGE,
  },
  { python: "BatchNorm1d(5)", make: () => new nn.BatchNorm1d(5), input: [5] },
  { python: "BatchNorm1d(5, eps=0.01)", make: () => new nn.BatchNorm1d(5, { eps: 0.01 }), input: [5, 7] },
  { python: "GroupNorm(2, 4)", make: () => new nn.GroupNorm(2, 4), input: IMAGE },
  {
    python: "GroupNorm(4, 4, eps=0.001, affine=False)",
    make: () => new nn.GroupNorm(4, 4, { eps: 0.001, affine: false }),
    input: IMAGE,
  },
  { python: "LayerNorm(8)", make: () => new nn.LayerNorm(8), input: IMAGE },
  { python: "LayerNorm([4, 6, 8])", make: () => new nn.LayerNorm(IMAGE), input: IMAGE },
  {
    python: "LayerNorm(8, elementwise_affine=False)",
    make: () => new nn.LayerNorm(8, { elementwiseAffine: false }),
    input: IMAGE,
  },
  { python: "InstanceNorm2d(4)", make: () => new nn.InstanceNorm2d(4), input: IMAGE },
  {
    python: "InstanceNorm2d(4, affine=True, track_running_stats=True)",
    make: () => new nn.InstanceNorm2d(4, { affine: true, trackRunningStats: true }),
    input: IMAGE,
  },
  { python: "Dropout2d(0.2)", make: () => new nn.Dropout2d(0.2), input: IMAGE },
  { python: "ZeroPad2d(1)", make: () => new nn.ZeroPad2d(1), input: IMAGE },
  { python: "ConstantPad2d((1, 2, 0, -1), 0.5)", make: () => new nn.ConstantPad2d([1, 2, 0, -1], 0.5), input: IMAGE },
  { python: "ReflectionPad2d((1, 2, 3, 0))", make: () => new nn.ReflectionPad2d([1, 2, 3, 0]), input: IMAGE },
  { python: "ReplicationPad2d((1, 2, 3, 0))", make: () => new nn.ReplicationPad2d([1, 2, 3, 0]), input: IMAGE },
  { python: "Upsample(scale_factor=2)", make: () => new nn.Upsample({ scaleFactor: 2 }), input: IMAGE },
  {
    python: "Upsample(size=(9, 5), mode='bilinear')",
    make: () => new nn.Upsample({ size: [9, 5], mode: "bilinear" }),
    input: IMAGE,
  },
  {
    python: "Upsample(scale_factor=1.5, mode='bicubic', align_corners=True)",
    make: () => new nn.Upsample({ scaleFactor: 1.5, mode: "bicubic", alignCorners: true }),
    input: IMAGE,
  },
  { python: "PixelShuffle(2)", make: () => new nn.PixelShuffle(2), input: IMAGE },
  { python: "ChannelShuffle(2)", make: () => new nn.ChannelShuffle(2), input: IMAGE },
  { python: "AdaptiveMaxPool2d((3, 2))", make: () => new nn.AdaptiveMaxPool2d([3, 2]), input: IMAGE },
  { python: "AdaptiveMaxPool2d((4, 5))", make: () => new nn.AdaptiveMaxPool2d([4, 5]), input: IMAGE },
  { python: "AdaptiveMaxPool2d(1)", make: () => new nn.AdaptiveMaxPool2d(1), input: IMAGE },
  {
    python: "LPPool2d(2, 3, stride=2, ceil_mode=True)",
    make: () => new nn.LPPool2d(2, 3, { stride: 2, ceilMode: true }),
    input: IMAGE,
  },
  { python: "Unflatten(1, (3, 4))", make: () => new nn.Unflatten(1, [3, 4]), input: [12] },
];
