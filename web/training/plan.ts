/** Which network is trained how: the recipe of the library, changed by what somebody chose. */
import { createModel, summarize, trace } from "convnets";
import { BatchNorm2d, classScores, Identity, type Module, mainOutput } from "convnets/nn";
import { chooseInit, parseConfig, recipe, type TrainConfig, type TrainConfigInput } from "convnets/runs";
import { loadForFineTuning } from "convnets/train";
import { applyEdits, replace } from "../bench/edit.ts";
import { type Loaded, load } from "../bench/load.ts";
import { type OpenData, partsOf } from "./data.ts";
import type { Asked, Proposal, Settings, Trainee } from "./protocol.ts";

/** The network for a data set, with initial weights not yet chosen if it is registered, else those of its file. */
interface Fitted {
  readonly model: Module;
  /** Its name for a recipe. */
  readonly name: string;
  readonly variant?: TrainConfig["variant"];
  /** Side of images that it takes and no other. */
  readonly side?: number;
}

/** The network for a data set, with its changed layers, whose weights are new. */
async function fitted(source: Trainee, data: OpenData, asked: Asked, inputSize = asked.inputSize): Promise<Fitted> {
  const found = await unchanged(source, data, { inputSize, auxiliary: asked.auxiliary ?? true });
  applyEdits(found.model, source.edits ?? []);
  if (source.kind === "registered" && asked.normalization === false) leaveOut(found.model, normalizations(found.model));
  return found;
}

async function unchanged(
  source: Trainee,
  data: OpenData,
  { inputSize, auxiliary }: { readonly inputSize: number | undefined; readonly auxiliary: boolean },
): Promise<Fitted> {
  const { classes } = data.train;
  const sizes = {
    numClasses: classes.length,
    inChannels: data.facts.channels,
    ...(inputSize !== undefined && { inputSize }),
  };
  if (source.kind === "registered") {
    const { variant } = source.options;
    const model = createModel(source.name, {
      ...{ ...(variant && { variant }), ...sizes },
      ...(!auxiliary && { auxLogits: false }),
    });
    return { model, name: source.name, ...(variant && { variant }) };
  }
  const loaded: Loaded = await load(source);
  const { made, model, title } = loaded;
  if (made) {
    const { variant } = made.options;
    const fresh = createModel(made.name, { ...(variant && { variant }), ...sizes });
    loadForFineTuning(fresh, model.stateDict());
    return { model: fresh, name: made.name, ...(variant && { variant }) };
  }
  const [, channels, side] = loaded.input;
  if (channels !== data.facts.channels)
    throw new Error(
      `${title} takes images with ${channels} channels; those of ${data.name} have ${data.facts.channels}: choose another data set or network`,
    );
  const open = loaded.notes.length > 0;
  // only a network from an .onnx file has `withClasses`
  const withClasses = model as Module & { withClasses?: (classes: number) => Module };
  return {
    model: withClasses.withClasses?.(classes.length) ?? model,
    name: title,
    ...(!open && side !== undefined && { side }),
  };
}

/** A network with the config of its training. */
export interface Plan {
  readonly model: Module;
  readonly config: TrainConfig;
  readonly settings: Settings;
  readonly input: readonly number[];
}

/** Fewer images than this get smaller batches. */
const FEW = 640;

/** The plan for a network on a data set. Throws, in the library's words, if they do not go together. */
export async function planOf(source: Trainee, data: OpenData, asked: Asked): Promise<Plan> {
  const first = await fitted(source, data, asked);
  const { name, variant, side } = first;
  const base = recipe(name, data.facts, {
    ...(variant && { variant }),
    network: first.model,
    inputSize: side ?? asked.inputSize,
    epochs: asked.epochs,
    optimizer: asked.optimizer,
  });
  const config = parseConfig(merged(base, asked, data));
  const inputSize = config.inputSize ?? 32;
  const sized =
    side === undefined && asked.inputSize === undefined ? await fitted(source, data, asked, inputSize) : first;
  const input = [1, data.facts.channels, inputSize, inputSize];
  const { outputs } = trace(sized.model, input, { training: false });
  const scores = classScores(mainOutput(outputs)).shape[1];
  if (scores !== data.train.classes.length)
    throw new Error(`the network has ${scores} outputs; the data set has ${data.train.classes.length} classes`);
  return { model: sized.model, config, settings: { ...settingsOf(config, inputSize), ...leftOut(asked) }, input };
}

function merged(base: TrainConfigInput, asked: Asked, data: OpenData): TrainConfigInput {
  const images = data.train.length;
  const batchSize =
    images < FEW ? Math.min(base.batchSize, Math.max(4, 2 ** Math.floor(Math.log2(images / 10)))) : undefined;
  const { lr, schedule, warmupEpochs, weightDecay, labelSmoothing, clipNorm, seed, validationFraction } = asked;
  return {
    ...base,
    ...(batchSize && { batchSize }),
    ...(asked.batchSize && { batchSize: asked.batchSize }),
    ...(lr && { lr }),
    ...(schedule && { schedule: { name: schedule } }),
    ...(warmupEpochs !== undefined && { warmupEpochs }),
    ...(weightDecay !== undefined && { optimizer: { ...base.optimizer, weightDecay } }),
    ...(labelSmoothing !== undefined && { labelSmoothing }),
    ...(clipNorm !== undefined && { clipNorm: clipNorm > 0 ? clipNorm : undefined }),
    ...(seed !== undefined && { seed }),
    ...(validationFraction !== undefined && !data.test && { validationFraction }),
    workers: 0,
  };
}

const leftOut = ({ normalization = true, auxiliary = true }: Asked) => ({ normalization, auxiliary });

function settingsOf(config: TrainConfig, inputSize: number): Omit<Settings, "normalization" | "auxiliary"> {
  const { epochs, batchSize, lr, warmupEpochs, labelSmoothing, clipNorm = 0, validationFraction, seed } = config;
  const { name: schedule } = config.schedule;
  return {
    ...{ inputSize, epochs, batchSize, lr, warmupEpochs, labelSmoothing, clipNorm, validationFraction, seed },
    optimizer: config.optimizer.name,
    schedule: schedule === "constant" || schedule === "polynomial" ? schedule : "cosine",
    weightDecay: config.optimizer.weightDecay,
  };
}

/** What the page shows before a run begins. */
export async function proposalOf(
  source: Trainee,
  data: OpenData,
  asked: Asked,
): Promise<Proposal & { readonly config: TrainConfig }> {
  const { model, settings, input, config } = await planOf(source, data, asked);
  const { totals } = summarize(model, { input });
  const { train, validation } = partsOf(data, settings);
  return {
    ...{ settings, input, classes: data.train.classes, train: train.length, validation: validation.length },
    ...{ parameters: totals.params, macs: totals.macs, config },
    parts: await partsOfNetwork(source, data, settings),
  };
}

/** What a registered network has, whether or not it is left out of the next run. */
async function partsOfNetwork(source: Trainee, data: OpenData, { inputSize }: Settings): Promise<Proposal["parts"]> {
  if (source.kind !== "registered") return { normalization: false, auxiliary: false };
  const whole = await unchanged(source, data, { inputSize, auxiliary: true }).catch(() => undefined);
  return {
    normalization: whole !== undefined && normalizations(whole.model).length > 0,
    auxiliary: Object.keys(whole?.model.spec?.auxiliary ?? {}).length > 0,
  };
}

/** Paths of the batch normalizations. */
const normalizations = (model: Module) =>
  [...model.modules()].flatMap(([path, module]) => (module instanceof BatchNorm2d ? [path] : []));

/** Puts a layer that changes nothing in the place of others. */
function leaveOut(model: Module, paths: readonly string[]): void {
  for (const path of paths) replace(model, path, new Identity());
}

/** Sets the initial weights of a new run, as a training in Node does. */
export function initialize({ model, config, input }: Plan): void {
  chooseInit(model, config.init, ["N", ...input.slice(1)]);
  // a network from a file brings its weights along
  model.initialize(config.seed, { keep: true });
}
