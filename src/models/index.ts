/** The classic networks, built of `nn`. Imports `nn` and `graph`. */
export { alexnet } from "./alexnet.ts";
export { DenseNet } from "./densenet.ts";
export { EfficientNet } from "./efficientnet.ts";
export type { ModelEntry, Publication } from "./entry.ts";
export {
  AuxClf,
  GoogLeNet,
  type GoogLeNetOptions,
  type GoogLeNetOutput,
  googlenet,
  INCEPTION_WIDTHS,
  inceptionChannels,
} from "./googlenet.ts";
export * from "./inception.ts";
export { InceptionSmall, inceptionSmall } from "./inception-small.ts";
export { Inception3, type Inception3Options, type Inception3Output } from "./inception-v3.ts";
export { LeNet5, lenet5 } from "./lenet.ts";
export { MobileNetV2 } from "./mobilenet-v2.ts";
export { MobileNetV3 } from "./mobilenet-v3.ts";
export { nin, ninImageNet } from "./nin.ts";
export { type ModelOptions, VARIANTS, type Variant } from "./options.ts";
export { type Recognized, recognize } from "./recognize.ts";
export { createModel, listNetworks, MODELS, type ModelName, modelEntry, suggestNetwork } from "./registry.ts";
export {
  BasicBlock,
  Bottleneck,
  type ResidualOptions,
  ResNet,
  type ResNetDepth,
  type ResNetOptions,
  resnet,
  resnext50,
  type StageDepths,
  wideResnet50,
} from "./resnet.ts";
export { CifarResNet, type CifarResNetDepth, cifarResnet } from "./resnet-cifar.ts";
export { ShuffleNetV2 } from "./shufflenet.ts";
export { SqueezeNet } from "./squeezenet.ts";
export { VGG_WIDTHS, type VggDepth, type VggOptions, VggSmall, vgg, vggSmall } from "./vgg.ts";
