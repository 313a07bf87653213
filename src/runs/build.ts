import type { Loader } from "../data/index.ts";
import type { Shape, TensorData } from "../graph/index.ts";
import { init, type Module, ModuleBuffer } from "../nn/index.ts";
import type { Engine } from "../runtime/index.ts";
import type { FitOptions, TrainingState } from "../train/index.ts";
import { lastLayers } from "../train/index.ts";
import { optimizerOf, scheduleOf, type TrainConfig } from "./config.ts";

/** What `fit` is to do, as a config says. */
export function fitOptions(
  config: TrainConfig,
  { engine, model, train, validation }: { engine: Engine; model: Module; train: Loader; validation: Loader },
  { signal, resume }: { signal?: AbortSignal; resume?: TrainingState } = {},
): FitOptions {
  const { auxWeight, decayNormAndBias, clipNorm, ema, patience } = config;
  return {
    engine,
    train,
    validation,
    epochs: config.epochs,
    optimizer: optimizerOf(config),
    schedule: scheduleOf(config),
    seed: config.seed,
    labelSmoothing: config.labelSmoothing,
    ...(auxWeight !== undefined && {
      lossWeights: Object.fromEntries(Object.keys(model.spec?.auxiliary ?? {}).map((output) => [output, auxWeight])),
    }),
    accumulate: config.accumulate,
    checkpointEvery: config.checkpointEvery,
    ...(!decayNormAndBias && { decays: (_key: string, shape: readonly number[]) => shape.length > 1 }),
    ...(clipNorm !== undefined && { clipNorm }),
    ...(ema !== undefined && { ema }),
    ...(patience !== undefined && { patience }),
    ...(signal && { signal }),
    ...(resume && { resume }),
  };
}

/**
 * Chooses how the weights that are drawn are drawn: `"network"`, as each layer says; `"kaiming_fan_in"` and `"kaiming_fan_out"`, normal
 * with the deviation √(2 / fan) of He et al. 2015 and biases 0, so that signals, or gradients, keep their size through many layers
 * without normalization. With those two, the scores start small, and at 1: a softmax does not see the 1, but a ReLU after the
 * scores, as in Network in Network, is open. `input` is the shape of a batch of images.
 */
export function chooseInit(model: Module, how: TrainConfig["init"], input: Shape): void {
  if (how === "network") return;
  const scores = new Set(lastLayers(model, input).map((path) => weightOf(path)));
  const mode = how === "kaiming_fan_in" ? "fan_in" : "fan_out";
  const parameters = new Map(model.parameters());
  const weights = [...parameters].filter(([, { shape }]) => shape.length >= 2);
  for (const [key, weight] of weights) {
    const last = scores.has(key);
    weight.initializer = last ? init.normal(0, 0.01) : init.kaimingNormal({ mode, nonlinearity: "relu" });
    const bias = parameters.get(key.replace(/weight$/, "bias"));
    if (bias?.shape.length === 1) bias.initializer = init.constant(last ? 1 : 0);
  }
}

/** Whether it keeps numbers that follow the batches, as batch normalization does; the parts of imported networks do, too. */
const hasStatistics = (module: Module): boolean => Object.values(module).some((own) => own instanceof ModuleBuffer);

const weightOf = (path: string): string => (path === "" ? "weight" : `${path}.weight`);

/** What `freeze` takes for everything below the last layer. */
const BACKBONE = "backbone";

/**
 * Freezes the parameters whose keys start with one of these prefixes; `"backbone"` is everything but the last layer, and those of
 * auxiliary classifiers. Batch normalization of a frozen part keeps its statistics. `input` is the shape of a batch of images.
 * Throws where a prefix meets no parameter.
 */
export function freeze(model: Module, prefixes: readonly string[], input: Shape): void {
  const keys = [...model.parameters()].map(([key]) => key);
  const below = (path: string, prefix: string) =>
    path === prefix || path.startsWith(prefix.endsWith(".") ? prefix : `${prefix}.`);
  for (const prefix of prefixes) {
    let isFrozen = (path: string) => below(path, prefix);
    if (prefix === BACKBONE && !keys.some(isFrozen)) {
      const heads = lastLayers(model, input);
      isFrozen = (path) => !heads.some((head) => below(path, head));
    }
    if (!keys.some(isFrozen))
      throw new Error(`freeze: no parameter is called "${prefix}…"; keys look like "${keys[0]}"`);
    for (const [key, parameter] of model.parameters()) if (isFrozen(key)) parameter.requiresGrad = false;
    for (const [path, module] of model.modules()) if (isFrozen(path) && hasStatistics(module)) module.training = false;
  }
}

/**
 * Takes weights over for fine-tuning: those whose shape differs only in the first axis, as the last layer's does for another
 * number of classes, stay as drawn. Gives their keys. Throws for everything else that does not fit.
 */
export function loadForFineTuning(model: Module, weights: ReadonlyMap<string, TensorData>): string[] {
  const shapes = model.stateShapes();
  const kept: string[] = [];
  const taken = new Map(weights);
  for (const [key, shape] of shapes) {
    const given = weights.get(key);
    const head =
      given &&
      given.shape.length === shape.length &&
      given.shape[0] !== shape[0] &&
      given.shape.slice(1).join() === shape.slice(1).join();
    if (!head) continue;
    kept.push(key);
    taken.delete(key);
  }
  const drawn = model.stateDict();
  for (const key of kept) taken.set(key, drawn.get(key)!);
  model.loadStateDict(taken);
  return kept;
}
