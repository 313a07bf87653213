/** Networks with their weights, out of whatever files people have; what no file says is filled in, and told. */
import { existsSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { type Checkpoint, CheckpointError, readCheckpoint } from "../../checkpoint/node/index.ts";
import { parseTransforms, type Transform } from "../../data/node/index.ts";
import type { TensorData } from "../../graph/index.ts";
import { createModel, MODELS, type ModelOptions, modelEntry, type Variant } from "../../models/index.ts";
import type { Module } from "../../nn/index.ts";
import { OnnxModule, readOnnx, readOnnxModule } from "../../onnx/node/index.ts";
import { PRETRAINED, type PretrainedOptions, pretrained, publishedMetadata } from "../../pretrained/node/index.ts";
import { TRAINING_STATE } from "../../runs/node/index.ts";
import { imagenetPreprocessing } from "../classifier.ts";

/** Stands for the weights that torchvision publishes. */
const TORCHVISION = "torchvision";

/** The weights of a run that its folder holds, those of its best epoch. */
const BEST = "best.safetensors";

export interface SourceOptions
  extends Pick<PretrainedOptions, "cacheDir" | "baseUrl" | "download" | "onProgress" | "signal"> {
  /** A weight file, or `"torchvision"` for the weights that torchvision publishes, downloaded where they are not in the cache. */
  readonly weights?: string | undefined;
  readonly variant?: Variant | undefined;
  /** Names in the order of the labels. Default: what the files say. */
  readonly classes?: readonly string[] | undefined;
  /** Default: what the files say, else torchvision's for ImageNet. */
  readonly preprocessing?: readonly Transform[] | undefined;
  /** Makes the network that the weights are of, where it is one of your own. */
  readonly makeModel?: ((options: { readonly numClasses?: number }) => Promise<Module>) | undefined;
}

/** A network that is ready to be used. */
export interface Source {
  readonly model: Module;
  readonly weights: ReadonlyMap<string, TensorData>;
  /** Empty where nobody names them. */
  readonly classes: readonly string[];
  readonly preprocessing: readonly Transform[];
  /** Channels of the pictures that it takes. */
  readonly channels: 1 | 3;
  /** What nobody says, and was taken for granted, as sentences. */
  readonly assumed: readonly string[];
}

/**
 * Opens a network: `source` is a registered one (with `weights`), a weight file that says what it is of, as "convnets train"
 * writes it, the folder of a run, or an .onnx file.
 *
 * Throws an error that names the file and says what is missing.
 */
export async function openSource(source: string, options: SourceOptions = {}): Promise<Source> {
  if (Object.hasOwn(MODELS, source)) {
    if (options.weights !== undefined) return ofWeights(options.weights, options, source);
    throw new CheckpointError(
      `${source} has no weights; give a file of them, or "torchvision" for those of torchvision`,
    );
  }
  if (!existsSync(source)) {
    throw new CheckpointError(
      `there is no file, run or network "${source}"; the networks are ${Object.keys(MODELS).join(", ")}`,
    );
  }
  if (statSync(source).isDirectory()) {
    const best = join(source, BEST);
    if (existsSync(best)) return ofWeights(best, options);
    throw new CheckpointError(`${source} has no ${BEST}: it is no run, or no epoch of it is finished`);
  }
  return extname(source).toLowerCase() === ".onnx" ? ofOnnx(source, options) : ofWeights(source, options);
}

/** The network that weights are of, by name where they do not say it. */
async function ofWeights(weights: string, options: SourceOptions, name?: string): Promise<Source> {
  const file = weights === TORCHVISION && name !== undefined ? await pretrained(name, options) : weights;
  if (!existsSync(file)) throw new CheckpointError(`there is no weight file ${file}`);
  // a published file is known by its name, which has a part of its checksum
  const known = Object.values(PRETRAINED).find(({ url }) => url.endsWith(`/${basename(file)}`));
  const { tensors, ...read } = await readCheckpoint(file);
  const metadata: Checkpoint["metadata"] = { ...(known && publishedMetadata(known)), ...read.metadata };
  if (metadata.kind === TRAINING_STATE) {
    throw new CheckpointError(
      `${file} is the state of a training, to go on with; its weights are in ${BEST} beside it`,
    );
  }
  const { makeModel } = options;
  const architecture = name ?? metadata.architecture ?? "";
  if (architecture === "" && !makeModel) {
    throw new CheckpointError(`${file} does not say which network it is of; name it, such as vgg16 (--model vgg16)`);
  }
  if (name !== undefined && metadata.architecture !== undefined && metadata.architecture !== name) {
    throw new CheckpointError(`${file} has weights of ${metadata.architecture}, not of ${name}`);
  }
  const classes = options.classes ?? namesOf(metadata);
  try {
    const model = makeModel
      ? await makeModel(classes ? { numClasses: classes.length } : {})
      : Object.hasOwn(MODELS, architecture)
        ? registered(architecture, tensors, metadata, { variant: options.variant, numClasses: classes?.length })
        : await imported(architecture, classes?.length);
    model.loadStateDict(tensors);
    const { inputSize: size = 224 } = model.spec ?? {};
    const [, { shape } = { shape: [] }] = [...model.parameters()].find(([, { shape }]) => shape.length === 4) ?? [];
    const channels = Number(metadata.inChannels ?? shape[1] ?? 3);
    return complete(file, model, { ...options, classes }, metadata, [channels, Number(metadata.inputSize ?? size)]);
  } catch (error) {
    throw error instanceof CheckpointError
      ? error
      : new CheckpointError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

async function ofOnnx(file: string, options: SourceOptions): Promise<Source> {
  const { metadata, ...read } = await readOnnx(file, { fold: false });
  const model = new OnnxModule({ metadata, ...read });
  const weights = options.weights === undefined ? undefined : (await readCheckpoint(options.weights)).tensors;
  const classes = options.classes ?? namesOf(metadata);
  if (weights) model.loadStateDict(weights);
  const [input] = read.graph.inputs;
  if (!input || read.graph.inputs.length > 1 || input.shape.length !== 4 || typeof input.shape[1] !== "number") {
    throw new CheckpointError(`${file} is no classifier of pictures: its inputs are not images [N, C, H, W] alone`);
  }
  if (input.shape[3] === 3 && input.shape[1] !== 3) {
    throw new CheckpointError(`${file} takes pictures as [N, H, W, C]; export it with --layout NCHW`);
  }
  const [, channels, height] = input.shape;
  const images = [channels, Number(height)] as const;
  const { preprocessing, ...rest } = complete(file, model, { ...options, classes }, metadata, images);
  if (input.dtype !== "uint8") return { ...rest, preprocessing };
  // it takes numbers from 0 to 255, and normalizes inside
  const before = preprocessing.filter((step) => typeof step !== "object" || !("normalize" in step));
  return { ...rest, preprocessing: [...before, { normalize: { mean: [0], std: [1 / 255] } }] };
}

function complete(
  file: string,
  model: Module,
  { classes = model.spec?.classes, preprocessing }: SourceOptions,
  metadata: Checkpoint["metadata"],
  [channels, size]: readonly [channels: number, size: number],
): Source {
  const isSize = Number.isInteger(size) && size > 0;
  const side = isSize ? size : 224;
  const known = preprocessing ?? (metadata.preprocessing && parseTransforms(JSON.parse(metadata.preprocessing)));
  const own = model.spec?.normalization;
  const published = imagenetPreprocessing(side);
  const assumption = own ? published.map((step) => (isStep(step, "normalize") ? { normalize: own } : step)) : published;
  // grey values in the place of colours that ImageNet's mean and deviation are of
  const grey = [
    ...assumption.filter((step) => !isStep(step, "normalize")),
    { normalize: { mean: [0.5], std: [0.25] } },
  ];
  return {
    model,
    weights: model.stateDict(),
    classes: classes ?? [],
    preprocessing: known ? fitted(known, isSize ? size : undefined) : channels === 1 && !own ? grey : assumption,
    channels: channels === 1 ? 1 : 3,
    assumed: [
      ...(known
        ? []
        : [
            `${file} does not say how pictures are prepared: torchvision's way for ImageNet is taken, at ${side}×${side}.`,
          ]),
      ...(classes ? [] : [`${file} does not name its classes; they are numbered.`]),
    ],
  };
}

const isStep = (step: Transform, name: string) => step === name || (typeof step === "object" && name in step);

/** Steps that leave pictures as large as they are were written for images of the right size: others are brought to it first. */
function fitted(steps: readonly Transform[], side: number | undefined): readonly Transform[] {
  const sized = steps.some((step) => ["resize", "centerCrop", "crop"].some((name) => isStep(step, name)));
  return sized || side === undefined ? steps : [{ resize: { size: side } }, { centerCrop: { size: side } }, ...steps];
}

/** A registered network, in the variant whose keys the weights have where neither says which. */
function registered(
  name: string,
  tensors: Checkpoint["tensors"],
  { variant, inputSize, inChannels }: Checkpoint["metadata"],
  asked: { variant: Variant | undefined; numClasses: number | undefined },
): Module {
  const options: ModelOptions = {
    ...(asked.numClasses !== undefined && { numClasses: asked.numClasses }),
    ...(inputSize !== undefined && { inputSize: Number(inputSize) }),
    ...(inChannels !== undefined && { inChannels: Number(inChannels) }),
  };
  const known = asked.variant ?? (variant as Variant | undefined);
  if (known !== undefined) return createModel(name, { ...options, variant: known });
  const models = modelEntry(name).variants.map((variant) => createModel(name, { ...options, variant }));
  const fits = (model: Module) => {
    const shapes = model.stateShapes();
    return shapes.size === tensors.size && [...shapes.keys()].every((key) => tensors.has(key));
  };
  return models.find(fits) ?? models[0]!;
}

/** The network that a run was started from, with a last layer for its classes. */
async function imported(architecture: string, numClasses: number | undefined): Promise<Module> {
  if (extname(architecture).toLowerCase() !== ".onnx") {
    throw new CheckpointError(
      `these are weights of "${architecture}", which is not one of the registered networks; name the file that makes it (--model ${architecture})`,
    );
  }
  if (!existsSync(architecture)) {
    throw new CheckpointError(`these are weights of the network in ${architecture}, which is not there`);
  }
  const model = await readOnnxModule(architecture);
  return numClasses === undefined ? model : model.withClasses(numClasses);
}

function namesOf({ classes }: Checkpoint["metadata"]): string[] | undefined {
  return classes === undefined ? undefined : (JSON.parse(classes) as string[]);
}
