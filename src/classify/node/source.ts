/** Networks with their weights, from whatever files people have. What the files do not record is assumed, and reported. */
import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import {
  type Checkpoint,
  CheckpointError,
  openCheckpoint,
  prefixNote,
  type ReadOptions,
  readCheckpoint,
  readNotes,
  TRAINING_STATE,
} from "../../checkpoint/node/index.ts";
import { parseTransforms, type Transform } from "../../data/node/index.ts";
import { countFitting, fitKeys, listed, type TensorData } from "../../graph/index.ts";
import {
  createModel,
  MODELS,
  type ModelOptions,
  modelEntry,
  recognize,
  suggestNetwork,
  type Variant,
} from "../../models/index.ts";
import { type Module, mainOutputName } from "../../nn/index.ts";
import type { OnnxModel } from "../../onnx/node/index.ts";
import {
  namedWeights,
  PRETRAINED,
  type PretrainedOptions,
  pretrained,
  publishedMetadata,
  publishedVersions,
} from "../../pretrained/node/index.ts";
import { imageForm, imageModule, isImported, readImported, readImportedModule } from "../../tfjs/node/index.ts";
import { imagenetPreprocessing } from "../classifier.ts";
import { formNote, isYesOrNo, TwoClasses } from "./image-input.ts";

/** In the folder of a run: the weights of its best epoch. */
const BEST = "best.safetensors";

/** Options of `openSource`: what the files do not say. */
export interface SourceOptions
  extends Pick<PretrainedOptions, "cacheDir" | "baseUrl" | "download" | "onProgress" | "signal">,
    Pick<ReadOptions, "key" | "rename"> {
  /** A weight file, the folder of a run, or `"torchvision"` for the weights that torchvision publishes, downloaded once. */
  readonly weights?: string | undefined;
  readonly variant?: Variant | undefined;
  /** Names of the classes, in the order of the labels. Default: those that the files record. */
  readonly classes?: readonly string[] | undefined;
  /** The outputs as the network gives them, also one sigmoid that stands for two classes. */
  readonly rawOutputs?: boolean | undefined;
  /** Default: what the files record, else torchvision's for ImageNet. */
  readonly preprocessing?: readonly Transform[] | undefined;
  /** Makes the network that the weights belong to, if it is your own. */
  readonly makeModel?: ((options: { readonly numClasses?: number }) => Promise<Module>) | undefined;
}

/** A network with its weights, ready to use. */
export interface Source {
  readonly model: Module;
  readonly weights: ReadonlyMap<string, TensorData>;
  /** Names of the classes; empty if no file records them. */
  readonly classes: readonly string[];
  readonly preprocessing: readonly Transform[];
  /** Channels of the images that it takes. */
  readonly channels: 1 | 3;
  /** Whether its outputs are the classes of an image, one of which it has, or labels, several of which may apply; if a file records it. */
  readonly task?: "classes" | "labels";
  /** What no file records and was assumed, as sentences. */
  readonly assumed: readonly string[];
}

/**
 * Opens a network with its weights. `source` is the name of a registered network (with `weights`), a weight file that records
 * its network, as "convnets train" writes it, the folder of a run, an .onnx file, or a model of TensorFlow.js or Keras.
 *
 * Throws a CheckpointError that names the file and says what is missing.
 */
export async function openSource(source: string, options: SourceOptions = {}): Promise<Source> {
  if (Object.hasOwn(MODELS, source)) {
    if (options.weights !== undefined) return ofWeights(options.weights, options, source);
    throw new CheckpointError(
      `${source} needs weights: a weight file, the folder of a run, or "torchvision" for those that torchvision publishes`,
    );
  }
  if (!existsSync(source)) {
    throw new CheckpointError(`there is no file, run or network "${source}"; ${suggestNetwork(source)}`);
  }
  if (!isImported(source)) return ofWeights(source, options);
  if (options.makeModel === undefined) return ofImported(source, options);
  throw new CheckpointError(
    `${source} is a network with its weights; leave out the other network, or take the weights out of it: convnets convert ${source} weights.pth`,
  );
}

/** The weight file that a path means: the file itself, or the best weights of the run in a folder. */
export function weightFile(path: string): string {
  if (!existsSync(path)) throw new CheckpointError(`there is no weight file ${path}`);
  if (!statSync(path).isDirectory()) return path;
  const best = join(path, BEST);
  if (existsSync(best)) return best;
  throw new CheckpointError(
    `${path} is a directory without ${BEST}: it is not a run, or its first epoch is not finished`,
  );
}

/** The network that weights belong to; `name` if they do not record it. */
async function ofWeights(weights: string, options: SourceOptions, name?: string): Promise<Source> {
  const named = name === undefined ? undefined : namedWeights(name, weights);
  const file = named ? await pretrained(named, options) : weightFile(weights);
  // a published file is recognized by its name, which has a part of its checksum
  const known = Object.keys(PRETRAINED)
    .flatMap(publishedVersions)
    .find(({ url }) => url.endsWith(`/${basename(file)}`));
  const { key, rename } = options;
  const head = await openCheckpoint(file, { key, rename });
  await head.close();
  const metadata: Checkpoint["metadata"] = { ...(known && publishedMetadata(known)), ...head.metadata };
  if (metadata.kind === TRAINING_STATE) {
    throw new CheckpointError(
      `${file} is the state of a training, to resume it; the weights to use are in ${BEST}, in the same folder`,
    );
  }
  const { makeModel } = options;
  const architecture = name ?? metadata.architecture ?? "";
  if (architecture === "" && !makeModel) {
    throw new CheckpointError(
      `${file} does not record which network it belongs to; name it: --model vgg16, or --model net.js for your own`,
    );
  }
  if (name !== undefined && metadata.architecture !== undefined && metadata.architecture !== name) {
    throw new CheckpointError(`${file} has weights of ${metadata.architecture}, not of ${name}`);
  }
  const classes = options.classes ?? namesOf(metadata);
  try {
    const isKnown = makeModel === undefined && Object.hasOwn(MODELS, architecture);
    const built = isKnown
      ? undefined
      : makeModel
        ? await makeModel(classes ? { numClasses: classes.length } : {})
        : await imported(file, architecture, classes?.length);
    const shapes = built?.stateShapes();
    const fits: ReadOptions["fits"] = (entries) =>
      shapes ? countFitting(entries, shapes) : Number(recognize(entries).some(({ model }) => model === architecture));
    const read = await readCheckpoint(file, { key, rename, fits });
    const { tensors } = read;
    const numClasses = classes?.length;
    const model = built ?? registered(architecture, tensors, metadata, { variant: options.variant, numClasses });
    const fitted = fitKeys(tensors, model.stateShapes());
    const prefix = prefixNote(file, fitted);
    model.loadStateDict(fitted.weights);
    const { inputSize: size = 224, inChannels } = model.spec ?? {};
    const [, { shape } = { shape: [] }] = [...model.parameters()].find(([, { shape }]) => shape.length === 4) ?? [];
    const channels = Number(metadata.inChannels ?? inChannels ?? shape[1] ?? 3);
    const source = complete(file, model, { ...options, classes }, metadata, [
      channels,
      Number(metadata.inputSize ?? size),
    ]);
    const notes = [...readNotes(file, read), ...(prefix === undefined ? [] : [prefix])];
    return notes.length === 0 ? source : { ...source, assumed: [...notes, ...source.assumed] };
  } catch (error) {
    throw error instanceof CheckpointError
      ? error
      : new CheckpointError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

/** A network for images, of whatever size; with the remedy if it has layers that need to know the size. */
async function readAnySize(file: string): Promise<OnnxModel> {
  try {
    return await readImported(file);
  } catch (error) {
    const { message } = error as Error;
    if (!message.includes("the height and width of images have to be known")) throw error;
    const remedy = `write it for images of your size: convnets export ${file} --input 1,3,224,224 -o sized.onnx`;
    throw new CheckpointError(`${message}; ${remedy}`, { cause: error });
  }
}

async function ofImported(file: string, options: SourceOptions): Promise<Source> {
  const { metadata: own, ...read } = await readAnySize(file);
  const model = imageModule({ metadata: own, ...read });
  const given = options.weights === undefined ? undefined : weightFile(options.weights);
  const { key, rename } = options;
  const shapes = model.stateShapes();
  const loaded =
    given === undefined
      ? undefined
      : await readCheckpoint(given, { key, rename, fits: (entries) => countFitting(entries, shapes) });
  const weights = loaded?.tensors;
  // weights that were trained further record more than the network that they were trained from
  const metadata = { ...own, ...loaded?.metadata };
  const classes = options.classes ?? namesOf(metadata);
  const trained = loaded && namesOf(loaded.metadata);
  if (trained) model.withClasses(trained.length);
  const fitted = weights && fitKeys(weights, shapes);
  const prefix = fitted && prefixNote(given!, fitted);
  if (fitted) {
    try {
      model.loadStateDict(fitted.weights);
    } catch (error) {
      throw new CheckpointError(`${given}: ${(error as Error).message}`, { cause: error });
    }
  }
  const { inputs } = read.graph;
  const [input] = inputs;
  const form = input && inputs.length === 1 ? imageForm(input.shape) : undefined;
  if (!input || !form) {
    const all = inputs.map(({ name, shape }) => `${name} [${shape.join(", ")}]`).join(", ");
    throw new CheckpointError(
      `${file} does not classify images: it takes ${all || "nothing"}, and not one tensor of images; "convnets predict" computes with any inputs`,
    );
  }
  const { channels, height, width } = form;
  const isSquare = height === width;
  const images = [channels, height === undefined ? Number.NaN : height] as const;
  const note = formNote(file, form);
  const outputs = [...read.graph.outputs.keys()];
  const isBinary = !options.rawOutputs && isYesOrNo(read.graph) && (classes === undefined || classes.length === 2);
  const { preprocessing, ...completed } = complete(
    file,
    isBinary ? new TwoClasses(model) : model,
    { ...options, classes },
    metadata,
    images,
  );
  const assumed = [
    ...(loaded ? readNotes(given!, loaded) : []),
    ...(prefix === undefined ? [] : [prefix]),
    ...(note === undefined ? [] : [note]),
    ...(isBinary ? [`${file} has one output, a sigmoid: it is the probability of the second of two classes.`] : []),
    ...(outputs.length < 2
      ? []
      : [`${file} has the outputs ${listed(outputs)}; the classes are read from ${mainOutputName(outputs)}.`]),
  ];
  const rest = { ...completed, assumed: [...assumed, ...completed.assumed] };
  if (!isSquare && height !== undefined && width !== undefined && !metadata.preprocessing && !options.preprocessing) {
    // the whole image in the shape that it takes
    const own = preprocessing.filter((step) => !isStep(step, "resize") && !isStep(step, "centerCrop"));
    return { ...rest, preprocessing: [{ resize: { size: [height, width] } }, ...own] };
  }
  if (input.dtype !== "uint8") return { ...rest, preprocessing };
  // it takes pixels from 0 to 255, and normalizes them itself
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
  // ImageNet's mean and deviation are those of colours
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
    ...((metadata.task === "classes" || metadata.task === "labels") && { task: metadata.task }),
    assumed: [
      ...(known
        ? []
        : [`${file} does not record the preprocessing; assuming torchvision's for ImageNet, at ${side}×${side}.`]),
      ...(classes ? [] : [`${file} does not record the names of its classes; they are numbered.`]),
    ],
  };
}

const isStep = (step: Transform, name: string) => step === name || (typeof step === "object" && name in step);

/** Steps that do not resize were written for images of the right size; images of other sizes are resized first. */
function fitted(steps: readonly Transform[], side: number | undefined): readonly Transform[] {
  const sized = steps.some((step) => ["resize", "centerCrop", "crop"].some((name) => isStep(step, name)));
  return sized || side === undefined ? steps : [{ resize: { size: side } }, { centerCrop: { size: side } }, ...steps];
}

/** A registered network. What is neither asked for nor recorded (variant, classes, channels) follows from the weights. */
function registered(
  name: string,
  tensors: Checkpoint["tensors"],
  { variant, inputSize, inChannels, auxLogits }: Checkpoint["metadata"],
  asked: { variant: Variant | undefined; numClasses: number | undefined },
): Module {
  const known = asked.variant ?? (variant as Variant | undefined);
  const isComplete = known !== undefined && asked.numClasses !== undefined;
  const fit = isComplete ? undefined : recognize(tensors, [name]).find((fit) => (known ?? fit.variant) === fit.variant);
  const numClasses = asked.numClasses ?? fit?.numClasses;
  const channels = inChannels === undefined ? fit?.inChannels : Number(inChannels);
  const options: ModelOptions = {
    ...(numClasses !== undefined && { numClasses }),
    ...(inputSize !== undefined && { inputSize: Number(inputSize) }),
    ...(channels !== undefined && { inChannels: channels }),
    ...(auxLogits === "false" && { auxLogits: false }),
  };
  const named = known ?? fit?.variant;
  if (named !== undefined) return createModel(name, { ...options, variant: named });
  // of weights that fit no variant, the message is about the one that has their keys
  const models = modelEntry(name).variants.map((variant) => createModel(name, { ...options, variant }));
  const hasKeysOf = (model: Module): boolean => {
    const shapes = model.stateShapes();
    const { weights } = fitKeys(tensors, shapes);
    return [...shapes.keys()].every((key) => weights.has(key));
  };
  return models.find(hasKeysOf) ?? models[0]!;
}

/** The network in a file that a run was started from, with a last layer for its classes. */
async function imported(file: string, architecture: string, numClasses: number | undefined): Promise<Module> {
  if (!/\.(onnx|json|keras|h5|hdf5)$/i.test(architecture)) {
    throw new CheckpointError(
      `${file} has weights of "${architecture}", which is not a built-in network. The path stored in a weight file is never executed; pass the network with --model`,
    );
  }
  if (!existsSync(architecture)) {
    throw new CheckpointError(`${file} has weights of the network in ${architecture}, a file that does not exist`);
  }
  const model = await readImportedModule(architecture, { images: true });
  return numClasses === undefined ? model : model.withClasses(numClasses);
}

/** Names of classes as "convnets train" records them; a file of others may have anything under this name. */
function namesOf({ classes }: Checkpoint["metadata"]): string[] | undefined {
  try {
    const names: unknown = classes === undefined ? undefined : JSON.parse(classes);
    return Array.isArray(names) ? names.map(String) : undefined;
  } catch {
    return undefined;
  }
}
