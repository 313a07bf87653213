/**
 * What most programs need: write a network, look at it, train it, use it, save it. Runs in Node and in browsers. Engines and files
 * are in `convnets/node` and `convnets/web`; everything else is in the entry of its folder, such as `convnets/data`.
 */
export { encodeSafetensors, encodeTorch, readWeights } from "./checkpoint/index.ts";
export { type Classifier, classifier, type Prediction } from "./classify/index.ts";
export {
  type Dataset,
  dataLoader,
  type Image,
  type Loader,
  memoryDataset,
  NORMALIZATION,
  shapes,
  split,
  subset,
  type Transform,
} from "./data/index.ts";
export { draw } from "./draw/index.ts";
export { type DType, Graph, type Shape, type TensorData, tensor, zeros } from "./graph/index.ts";
export { compile, type Predictor } from "./infer/index.ts";
export { createModel, MODELS, type ModelName, type ModelOptions, type Variant } from "./models/index.ts";
export {
  AdaptiveAvgPool2d,
  AvgPool2d,
  BatchNorm2d,
  Conv2d,
  cat,
  Dropout,
  F,
  Flatten,
  Identity,
  init,
  Linear,
  LocalResponseNorm,
  LogSoftmax,
  MaxPool2d,
  Module,
  ModuleBuffer,
  Parameter,
  ReLU,
  Sequential,
  Softmax,
  Tensor,
  trace,
} from "./nn/index.ts";
export { exportOnnx, onnxModule } from "./onnx/index.ts";
export {
  adamw,
  constantRate,
  cosineRate,
  multiStepRate,
  type Optimizer,
  polynomialRate,
  type Schedule,
  sgd,
  stepRate,
  warmup,
} from "./optim/index.ts";
export { differentiate } from "./passes/index.ts";
export { Random } from "./random.ts";
export type { Engine, Executable } from "./runtime/index.ts";
export { renderText, type Summary, summarize } from "./summary/index.ts";
export {
  bceWithLogitsLoss,
  crossEntropyLoss,
  DivergedError,
  distillationLoss,
  evaluate,
  type FitOptions,
  fit,
  freeze,
  type Loss,
  mseLoss,
  oneHot,
  type TrainEvent,
  TrainingStep,
} from "./train/index.ts";
export { VERSION } from "./version.ts";
