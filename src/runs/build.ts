import type { Collective } from "../cluster/index.ts";
import type { Loader } from "../data/index.ts";
import { check, type Shape } from "../graph/index.ts";
import { auxiliaryWeight, init, type Module, Parameter } from "../nn/index.ts";
import type { Engine } from "../runtime/index.ts";
import {
  bceWithLogitsLoss,
  crossEntropyLoss,
  type FitOptions,
  lastLayers,
  type TargetLoss,
  type TrainingState,
} from "../train/index.ts";
import { optimizerOf, scheduleOf, type TrainConfig } from "./config.ts";

/** The loss of a config. */
export function lossOf({ loss, labelSmoothing }: Pick<TrainConfig, "loss" | "labelSmoothing">): TargetLoss {
  if (loss !== "binary-cross-entropy") return crossEntropyLoss({ labelSmoothing });
  check(labelSmoothing === 0, () => "label smoothing is for one class per image, not for binary cross-entropy");
  return bceWithLogitsLoss();
}

/** The options of `fit` for a config. */
export function fitOptions(
  config: TrainConfig,
  { engine, model, train, validation }: { engine: Engine; model: Module; train: Loader; validation: Loader },
  { signal, resume, collective }: { signal?: AbortSignal; resume?: TrainingState; collective?: Collective } = {},
): FitOptions {
  const { auxWeight, decayNormAndBias, clipNorm, ema, patience, shards, reduce, compress, syncBatchNorm } = config;
  return {
    engine,
    train,
    validation,
    epochs: config.epochs,
    optimizer: optimizerOf(config),
    schedule: scheduleOf(config),
    seed: config.seed,
    loss: lossOf(config),
    ...(auxWeight !== undefined && {
      lossWeights: (output: string) => (auxiliaryWeight(model.spec, output) === undefined ? undefined : auxWeight),
    }),
    accumulate: config.accumulate,
    checkpointEvery: config.checkpointEvery,
    ...(!decayNormAndBias && { decays: (_key: string, shape: readonly number[]) => shape.length > 1 }),
    ...(clipNorm !== undefined && { clipNorm }),
    ...(ema !== undefined && { ema }),
    ...(patience !== undefined && { patience }),
    ...(shards !== undefined && { shards }),
    ...(reduce && { reduce }),
    ...(compress && { compress }),
    ...(syncBatchNorm && { syncBatchNorm }),
    ...(collective && { collective }),
    ...(signal && { signal }),
    ...(resume && { resume }),
  };
}

/**
 * Sets how weights are initialized at random: `"network"`, as each layer says; `"kaiming_fan_in"` and `"kaiming_fan_out"`, normal with
 * the deviation √(2 / fan) of He et al. 2015 and biases 0, so that signals, or gradients, keep their size through many layers without
 * normalization. With those two, the last layer starts with small weights, and a bias of 1: a softmax does not see the 1, but a
 * ReLU after the scores, as in Network in Network, is open. `input` is the shape of a batch of images.
 */
export function chooseInit(model: Module, how: TrainConfig["init"], input: Shape): void {
  if (how === "network") return;
  const scores = new Set(lastLayers(model, input).map((path) => weightOf(path)));
  const mode = how === "kaiming_fan_in" ? "fan_in" : "fan_out";
  const parameters = new Map(heldBy(model));
  const weights = [...parameters].filter(([, { shape }]) => shape.length >= 2);
  for (const [key, weight] of weights) {
    const last = scores.has(key);
    weight.initializer = last ? init.normal(0, 0.01) : init.kaimingNormal({ mode, nonlinearity: "relu" });
    const bias = parameters.get(key.replace(/weight$/, "bias"));
    if (bias?.shape.length === 1) bias.initializer = init.constant(last ? 1 : 0);
  }
}

/** The parameters that layers hold, by key; a weight that is computed from others stands for those. */
function* heldBy(model: Module): Generator<[key: string, parameter: Parameter]> {
  for (const [path, module] of model.modules())
    for (const [name, held] of Object.entries(module))
      if (held instanceof Parameter) yield [path === "" ? name : `${path}.${name}`, held];
}

const weightOf = (path: string): string => (path === "" ? "weight" : `${path}.weight`);
