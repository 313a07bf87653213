/** The networks and weights that commands are given by name or file. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import {
  createModel,
  INCEPTION_WIDTHS,
  Inception,
  MODELS,
  type ModelOptions,
  modelEntry,
  NaiveInception,
  suggestNetwork,
  type Variant,
} from "../models/index.ts";
import { Module } from "../nn/index.ts";
import type { PublishedWeights } from "../pretrained/index.ts";
import { isImported } from "../tfjs/node/index.ts";
import { type InputShape, isShape, UsageError } from "./support.ts";

/** Blocks that can be shown like networks. The study note (lecture notes on VGG, NiN and GoogLeNet in PyTorch) compares them. */
const BLOCKS: Readonly<Record<string, { build: () => Module; input: readonly number[] }>> = {
  inception: { build: () => new Inception(192, INCEPTION_WIDTHS["3a"]), input: [1, 192, 28, 28] },
  naive_inception: { build: () => new NaiveInception(192, INCEPTION_WIDTHS["3a"]), input: [1, 192, 28, 28] },
};

/** What a command that takes a network says about it in its help. */
export const MODEL_HELP =
  'a network ("convnets models" lists them), inception, naive_inception, an .onnx file, a model of TensorFlow.js (model.json) or Keras (.keras, .h5), a run\'s folder, or net.js[#Export]: a Module, a class that extends Module, or a function that returns a Module';

export interface ModelFlags {
  variant?: Variant;
  numClasses?: number;
  /** `false` leaves out the auxiliary classifiers. */
  aux?: boolean;
  input?: InputShape;
  /** Quantized networks in real numbers. */
  dequantize?: boolean;
  /** Imported networks as modules for images [N, C, H, W], whatever form of images their files take. */
  images?: boolean;
  /** Take a finished network in a file as it is, even if `variant` or `numClasses` is given. */
  finished?: boolean;
}

export interface LoadedModel {
  readonly name: string;
  readonly model: Module;
  /** Shape of its input: the one asked for, else the one it was published for; of several inputs, by name. */
  readonly input: InputShape;
  /** What was assumed about the input, as a sentence. */
  readonly assumed?: string;
}

/** Side of the images of networks that do not record it, in pixels. */
const SIDE = 224;

/**
 * A registered network, a block, the network of a run, an .onnx file or a model.json, or what a file exports: `net.js` (its default export) or
 * `net.js#Name`. Classes and functions are called with `{ variant, numClasses }` if these are given.
 */
export async function loadModel(name: string, flags: ModelFlags = {}): Promise<LoadedModel> {
  const { variant, numClasses, aux = true, input, finished = false } = flags;
  const options: ModelOptions = {
    ...(variant && { variant }),
    ...(numClasses !== undefined && { numClasses }),
    ...(!aux && { auxLogits: false }),
  };
  if (Object.hasOwn(MODELS, name)) {
    const { variants } = modelEntry(name);
    if (variant && !variants.includes(variant))
      throw new UsageError(`${name} has no variant "${variant}"; it has ${variants.join(", ")}`);
    const images = input && oneInput(input, name);
    const sizes = images && { inChannels: images[1]!, inputSize: images[2]! };
    const model = createModel(name, { ...options, ...sizes });
    return { name, model, input: images ?? imagesFor(model) };
  }
  const block = Object.hasOwn(BLOCKS, name) ? BLOCKS[name] : undefined;
  if (block) {
    if (Object.keys(options).length > 0) throw new UsageError(`${name} is a block, without variants or classes`);
    return { name, model: block.build(), input: input ?? block.input };
  }
  const { file, exported } = moduleName(name);
  if (!existsSync(file)) {
    const known = [...Object.keys(MODELS), ...Object.keys(BLOCKS)];
    throw new UsageError(`there is no network and no file "${file}"; ${suggestNetwork(file, known)}`);
  }
  if (isImported(file)) return importedModel(file, flags);
  if (statSync(file).isDirectory()) return modelOfRun(file, flags);
  if (!isNetworkFile(file))
    throw new UsageError(
      `${file} is not a network: a network is an .onnx, .keras, .js or .ts file, or a model.json of TensorFlow.js`,
    );
  const model = await moduleOfFile(file, exported, options, finished);
  const shape = input ?? imagesFor(model);
  const isAssumed = input === undefined && model.spec?.inputSize === undefined;
  return { name: file, model, input: shape, ...(isAssumed && { assumed: assumption(file, shape as number[]) }) };
}

/** Shape of one image as the network describes it. */
export const imagesFor = ({ spec: { inChannels = 3, inputSize = SIDE } = {} }: Module): readonly number[] => [
  1,
  inChannels,
  inputSize,
  inputSize,
];

const assumption = (name: string, input: readonly number[]) =>
  `${name} does not record its input size; assuming ${input.join("×")} (--input sets it).`;

/** `loadModel`, which says on stderr what it assumed. */
export async function loadToShow(name: string, flags: ModelFlags = {}): Promise<LoadedModel> {
  const loaded = await loadModel(name, flags);
  checkInputs(name, loaded.model, isShape(loaded.input) ? 1 : Object.keys(loaded.input).length, INPUT_REMEDY);
  if (loaded.assumed) process.stderr.write(`${loaded.assumed}\n`);
  return loaded;
}

const INPUT_REMEDY = "give the shape of each: --input a=1,3,32,32,b=1,10";

/** Throws a UsageError if `forward` takes more inputs than are given. */
export function checkInputs(name: string, model: Module, given: number, remedy: string): void {
  const { length } = model.forward;
  if (length > given)
    throw new UsageError(`${name} takes ${length} inputs, but ${given} ${given === 1 ? "is" : "are"} given; ${remedy}`);
}

/** The shape of a network's only input. */
export function oneInput(input: InputShape, name: string): readonly number[] {
  if (isShape(input)) return input;
  const [[, shape], ...others] = Object.entries(input) as [[string, readonly number[]]];
  if (others.length > 0)
    throw new UsageError(`${name} has one input, but --input names ${Object.keys(input).join(", ")}`);
  return shape;
}

/** Whether a name is that of a file with a network: `net.js`, `net.ts`, `net.js#Export`. */
export const isNetworkFile = (name: string): boolean => /\.[mc]?[jt]sx?$/i.test(moduleName(name).file);

/** Whether there is a file `net.js`, also for `net.js#Name`. */
export const isThere = (name: string): boolean => existsSync(moduleName(name).file);

/** `net.js#Name`; a file may have "#" in its own name. */
function moduleName(name: string): { readonly file: string; readonly exported: string } {
  const at = existsSync(name) ? -1 : name.lastIndexOf("#");
  return at < 0 ? { file: name, exported: "default" } : { file: name.slice(0, at), exported: name.slice(at + 1) };
}

/** The network that a run trained, as its config says. */
async function modelOfRun(dir: string, flags: ModelFlags): Promise<LoadedModel> {
  // imported only here: other commands start faster without it
  const { RUN_FILES, readConfig } = await import("../runs/node/index.ts");
  if (!existsSync(join(dir, RUN_FILES.config)))
    throw new UsageError(`${dir} is a directory; a network file or a run's folder was expected`);
  const { model, variant, auxLogits } = await readConfig(dir);
  const best = join(dir, RUN_FILES.best);
  const recorded = existsSync(best) ? await recordedIn(best) : {};
  const aux = auxLogits === false ? { aux: false } : {};
  return loadModel(model, { ...recorded, ...(variant && { variant }), finished: true, images: true, ...flags, ...aux });
}

/** What weights record about the shape of their network. */
async function recordedIn(file: string): Promise<ModelFlags> {
  const { openCheckpoint } = await import("../checkpoint/node/index.ts");
  const opened = await openCheckpoint(file);
  await opened.close();
  return recorded(opened.metadata);
}

/** What the metadata of weights record about the shape of their network. */
export function recorded({ classes, inputSize, inChannels, auxLogits }: Readonly<Record<string, string>>): ModelFlags {
  const size = Number(inputSize);
  return {
    ...(/^\[.*\]$/s.test(classes ?? "") && { numClasses: (JSON.parse(classes!) as unknown[]).length }),
    ...(auxLogits === "false" && { aux: false }),
    ...(size > 0 && { input: [1, Number(inChannels ?? 3), size, size] }),
  };
}

/** The network in an .onnx file or a model.json, with a new last layer for another number of classes. */
async function importedModel(
  file: string,
  { variant, numClasses, input: asked, dequantize, images }: ModelFlags,
): Promise<LoadedModel> {
  if (variant) throw new UsageError(`${file} has no variants`);
  // imported only here: other commands start faster without it
  const { imageForm, readImportedFacts, readImportedModule } = await import("../tfjs/node/index.ts");
  const facts = await readImportedFacts(file);
  const [first] = facts.inputs.size === 1 ? facts.inputs.values() : [];
  const { layout = "NCHW" } = (images && first && imageForm(first.shape)) || {};
  const [N = 1, C = 3, H = SIDE, W = SIDE] = asked && isShape(asked) ? asked : [];
  const input = layout === "NCHW" ? asked : layout === "NHWC" && asked ? [N, H, W, C] : undefined;
  const declared = [...facts.inputs].map(([name, { shape }]) => [name, shape] as const);
  const shapes = Object.fromEntries(declared.map(([name, shape]) => [name, shapeGiven(file, name, shape, input)]));
  const isOpen = declared.some(([, shape]) => shape.slice(1).some((dim) => typeof dim !== "number"));
  // sizes of images have to be known for the layers to have shapes
  const inputs = isOpen ? withOpenBatch(shapes) : {};
  const model = await readImportedModule(file, {
    inputs,
    ...(dequantize && { dequantize }),
    ...(images && { images }),
  });
  if (numClasses !== undefined) model.withClasses(numClasses);
  if (layout !== "NCHW") return { name: file, model, input: [...model.inputs.values()][0]!.map(sizeOf) };
  const found = declared.length === 1 ? Object.values(shapes)[0]! : declared.length === 0 ? [1, 3, SIDE, SIDE] : shapes;
  if (input !== undefined || !isOpen || !isShape(found)) return { name: file, model, input: input ?? found };
  return { name: file, model, input: found, assumed: assumption(file, found) };
}

/** The shape of an input: as asked for, else as the file has it, with a batch of 1 and images of 224 pixels where it is open. */
function shapeGiven(
  file: string,
  name: string,
  shape: readonly (number | string)[],
  input: InputShape | undefined,
): readonly number[] {
  const given = input && (isShape(input) ? input : input[name]);
  if (given !== undefined) return given;
  if (input !== undefined) throw new UsageError(`${file} has an input ${name}, for which --input gives no shape`);
  return shape.map(sizeOf);
}

const withOpenBatch = (shapes: Readonly<Record<string, readonly number[]>>) =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, ["N", ...shape.slice(1)]]));

/** Sizes that are open: a batch of 1, images of 224 pixels. */
const sizeOf = (dim: unknown, axis: number, { length }: readonly unknown[]) =>
  typeof dim === "number" ? dim : axis === 0 ? 1 : axis === 1 && length === 4 ? 3 : SIDE;

async function moduleOfFile(file: string, name: string, options: ModelOptions, finished: boolean): Promise<Module> {
  const { importFile } = await import("../data/node/index.ts");
  const exports = await importFile(file);
  const found = exports[name];
  const asked = Object.keys(options).length > 0;
  const made = await (typeof found === "function" ? moduleBy(found, asked ? [options] : []) : found);
  if (isModuleOfAnother(made))
    throw new UsageError(
      `${file} imports another copy of convnets than this command; run the one of its own project: npx convnets`,
    );
  if (!(made instanceof Module))
    throw new UsageError(
      `${file} exports ${Object.keys(exports).join(", ") || "nothing"}; "${name}" has to be a Module, a class that extends Module, or a function that returns a Module`,
    );
  if (asked && made === found && !finished)
    throw new UsageError(`${file} exports a finished network; for --variant and --num-classes, export a function`);
  return made;
}

function moduleBy(found: object, args: readonly ModelOptions[]): unknown {
  const { prototype } = found as { prototype?: unknown };
  if (prototype instanceof Module) return new (found as new (...args: readonly ModelOptions[]) => Module)(...args);
  // a class of another copy of the library cannot be built here, but is recognized by its prototype
  if (isModuleOfAnother(prototype)) return prototype;
  if (/^class\b/.test(String(found))) return undefined;
  return (found as (...args: readonly ModelOptions[]) => unknown)(...args);
}

/** Whether a value is a Module of another copy of this library. */
function isModuleOfAnother(value: unknown): boolean {
  if (value instanceof Module) return false;
  for (let at = value; at; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, "loadStateDict") && Object.hasOwn(at, "stateShapes")) return true;
  }
  return false;
}

// Weights

/** What a command that takes `--weights` says about it in its help. */
export const WEIGHTS_HELP = `a file (.safetensors, .pth, .pt), a run's folder, or "torchvision" for those that it publishes, downloaded once ("torchvision:IMAGENET1K_V1" for its older ones)`;

/** What a command that takes weight files offers to find the right weights in them. */
export interface WeightFlags {
  key?: string;
  rename?: [from: string, to: string][];
}

/** Adds `--key` and `--rename` to a command. */
export function withWeightFlags(command: Command): Command {
  return command
    .option("--key <part>", "the part of a PyTorch file to use, such as state_dict_ema")
    .option(
      "--rename <rules>",
      "other names for the keys: 'module.=,fc.=head.' removes module. and replaces fc.",
      parseRename,
    );
}

/** `module.=,fc.=head.`: what keys begin with, and what stands there instead. */
function parseRename(text: string): [string, string][] {
  return text.split(",").map((rule) => {
    const [from = "", to, ...more] = rule.split("=");
    if (to === undefined || more.length > 0)
      throw new InvalidArgumentError(`"${rule}" has to be FROM=TO, such as 'module.=' or 'fc.=head.'.`);
    return [from, to];
  });
}

export interface WeightsOptions {
  /** The variant that was asked for. */
  readonly variant?: Variant | undefined;
  /** `false` never goes to the network. */
  readonly download?: boolean | undefined;
}

/** Whether `--weights` names published weights. */
export const isPublished = (weights: string | undefined): boolean => /^torchvision(:|$)/.test(weights ?? "");

/** What `run` returns; what it throws is the user's error. */
function asUsage<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The published weights that `--weights torchvision` or `torchvision:VERSION` means for a network; undefined for a file. */
export async function publishedFor(
  model: string,
  weights: string | undefined,
  { variant }: WeightsOptions = {},
): Promise<PublishedWeights | undefined> {
  if (!isPublished(weights)) return undefined;
  const { namedWeights } = await import("../pretrained/index.ts");
  const published = asUsage(() => namedWeights(model, weights))!;
  if (variant !== undefined && variant !== published.variant)
    throw new UsageError(`--weights torchvision are for --variant ${published.variant}, not for ${variant}`);
  return published;
}

/**
 * The file that `--weights` means: a path, the best weights of a run's folder, or "torchvision" for what is published for the
 * network, which is downloaded once, with its progress on a terminal, and fits only the variant "torchvision".
 */
export async function resolveWeights(
  model: string,
  weights: string,
  options: WeightsOptions = {},
): Promise<{ readonly file: string; readonly published?: PublishedWeights }> {
  const published = await publishedFor(model, weights, options);
  if (!published) return { file: await weightFileOf(weights) };
  const { pretrained } = await import("../pretrained/node/index.ts");
  const { downloadBar } = await import("./download.ts");
  const bar = downloadBar(process.stderr);
  const { download } = options;
  const file = await pretrained(published, { download, onProgress: bar.show }).finally(bar.close);
  return { file, published };
}

/** A weight file, or the best weights of a run's folder. */
export async function weightFileOf(path: string): Promise<string> {
  if (!existsSync(path)) throw new UsageError(`there is no weight file ${path}`);
  if (!statSync(path).isDirectory()) return path;
  const { weightFile } = await import("../classify/node/index.ts");
  try {
    return weightFile(path);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
