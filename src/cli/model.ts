/** The networks and weights that commands are given by name or file. */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import {
  createModel,
  INCEPTION_WIDTHS,
  Inception,
  MODELS,
  type ModelOptions,
  modelEntry,
  NaiveInception,
  type Variant,
} from "../models/index.ts";
import { Module } from "../nn/index.ts";
import type { PublishedWeights } from "../pretrained/index.ts";
import { UsageError } from "./support.ts";

/** Blocks that can be looked at like networks: the note's argument is about them. */
const BLOCKS: Readonly<Record<string, { build: () => Module; input: readonly number[] }>> = {
  inception: { build: () => new Inception(192, INCEPTION_WIDTHS["3a"]), input: [1, 192, 28, 28] },
  naive_inception: { build: () => new NaiveInception(192, INCEPTION_WIDTHS["3a"]), input: [1, 192, 28, 28] },
};

/** What a command that takes a network says of it in its help. */
export const MODEL_HELP =
  'a network ("convnets models" lists them), inception, naive_inception, or file.js[#Export]: a Module, a class of one, or a function that returns one';

export interface ModelFlags {
  variant?: Variant;
  numClasses?: number;
  /** `false` leaves out the auxiliary classifiers. */
  aux?: boolean;
  input?: number[];
  /** Whether a finished network in a file is taken as it is, where `variant` or `numClasses` is asked for. */
  finished?: boolean;
}

export interface LoadedModel {
  readonly name: string;
  readonly model: Module;
  /** Shape to look at it with: that asked for, else the one it was published for. */
  readonly input: readonly number[];
}

/**
 * A registered network, a block, or what a file exports: `file.js` (its default export) or `file.js#Name`. Classes and functions
 * are given `{ variant, numClasses }` where these are asked for.
 */
export async function loadModel(name: string, flags: ModelFlags = {}): Promise<LoadedModel> {
  const { variant, numClasses, aux = true, input, finished = false } = flags;
  const options: ModelOptions = {
    ...(variant && { variant }),
    ...(numClasses !== undefined && { numClasses }),
    ...(!aux && { auxLogits: false }),
  };
  if (Object.hasOwn(MODELS, name)) {
    const { inputSize, variants } = modelEntry(name);
    if (variant && !variants.includes(variant))
      throw new UsageError(`${name} has no variant "${variant}"; it has ${variants.join(", ")}`);
    const sizes = input && { inChannels: input[1]!, inputSize: input[2]! };
    return { name, model: createModel(name, { ...options, ...sizes }), input: input ?? [1, 3, inputSize, inputSize] };
  }
  const block = Object.hasOwn(BLOCKS, name) ? BLOCKS[name] : undefined;
  if (block) {
    if (Object.keys(options).length > 0) throw new UsageError(`${name} is a block, without variants or classes`);
    return { name, model: block.build(), input: input ?? block.input };
  }
  const { file, exported } = moduleName(name);
  if (!existsSync(file)) {
    const known = [...Object.keys(MODELS), ...Object.keys(BLOCKS)].join(", ");
    throw new UsageError(`there is no network and no file "${file}"; the networks are ${known}`);
  }
  if (!statSync(file).isFile()) throw new UsageError(`${file} is a folder; name the file in it that has the network`);
  if (/\.onnx$/i.test(file)) return importedModel(file, flags);
  const model = await moduleOfFile(file, exported, options, finished);
  const { inChannels = 3, inputSize = 224 } = model.spec ?? {};
  return { name: file, model, input: input ?? [1, inChannels, inputSize, inputSize] };
}

/** `file.js#Name`; a file may have "#" in its own name. */
function moduleName(name: string): { readonly file: string; readonly exported: string } {
  const at = existsSync(name) ? -1 : name.lastIndexOf("#");
  return at < 0 ? { file: name, exported: "default" } : { file: name.slice(0, at), exported: name.slice(at + 1) };
}

/** The classifier in an .onnx file, with a new last layer where another number of classes is asked for. */
async function importedModel(file: string, { variant, numClasses, input }: ModelFlags): Promise<LoadedModel> {
  if (variant) throw new UsageError(`${file} has no variants`);
  // loaded for these files alone: other commands start faster without
  const { readOnnxModule } = await import("../onnx/node/index.ts");
  const model = await readOnnxModule(file);
  if (numClasses !== undefined) model.withClasses(numClasses);
  const [shape = [1, 3, 224, 224]] = model.inputs.values();
  const seen = input ?? shape.map((dim, axis) => (typeof dim === "number" ? dim : axis === 0 ? 1 : 224));
  return { name: file, model, input: seen };
}

async function moduleOfFile(file: string, name: string, options: ModelOptions, finished: boolean): Promise<Module> {
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
      `${file} exports ${Object.keys(exports).join(", ") || "nothing"}; "${name}" has to be a Module, a class of one, or a function that returns one`,
    );
  if (asked && made === found && !finished)
    throw new UsageError(`${file} exports a finished network; for --variant and --num-classes, export a function`);
  return made;
}

function moduleBy(found: object, args: readonly ModelOptions[]): unknown {
  const { prototype } = found as { prototype?: unknown };
  if (prototype instanceof Module) return new (found as new (...args: readonly ModelOptions[]) => Module)(...args);
  // cannot be built here, but tells by what it is why not
  if (isModuleOfAnother(prototype)) return prototype;
  if (/^class\b/.test(String(found))) return undefined;
  return (found as (...args: readonly ModelOptions[]) => unknown)(...args);
}

async function importFile(file: string): Promise<Record<string, unknown>> {
  try {
    return await import(pathToFileURL(resolve(file)).href);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ERR_UNKNOWN_FILE_EXTENSION" && /\.[mc]?tsx?$/.test(file))
      throw new UsageError(
        `this Node (${process.version}) does not read TypeScript: compile ${file} first, or use Node 22.18 or later`,
      );
    throw new Error(`${file}: ${message}`, { cause: error });
  }
}

/** Whether something is a Module, but of another copy of this library. */
function isModuleOfAnother(value: unknown): boolean {
  if (value instanceof Module) return false;
  for (let at = value; at; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, "loadStateDict") && Object.hasOwn(at, "stateShapes")) return true;
  }
  return false;
}

// Weights

/** What a command that takes `--weights` says of published ones in its help. */
export const WEIGHTS_HELP = `or "torchvision" for those that it publishes, downloaded once`;

export interface WeightsOptions {
  /** The variant that was asked for. */
  readonly variant?: Variant | undefined;
  /** `false` never goes to the network. */
  readonly download?: boolean | undefined;
}

/** What is known of the weights that `--weights torchvision` means for a network; undefined where a file is meant. */
export async function publishedFor(
  model: string,
  weights: string | undefined,
  { variant }: WeightsOptions = {},
): Promise<PublishedWeights | undefined> {
  if (weights !== "torchvision") return undefined;
  const { PRETRAINED } = await import("../pretrained/index.ts");
  const published = Object.entries(PRETRAINED).find(([name]) => name === model)?.[1];
  if (!published)
    throw new UsageError(
      `torchvision has no weights for ${model}; it has some for ${Object.keys(PRETRAINED).join(", ")}`,
    );
  if (variant !== undefined && variant !== published.variant)
    throw new UsageError(`--weights torchvision are for --variant ${published.variant}, not for ${variant}`);
  return published;
}

/**
 * The file that `--weights` means: a path, or "torchvision" for what is published for the network. That is downloaded where it
 * is missing, with its progress on a terminal, and fits variant "torchvision" alone.
 */
export async function resolveWeights(
  model: string,
  weights: string,
  options: WeightsOptions = {},
): Promise<{ readonly file: string; readonly published?: PublishedWeights }> {
  const published = await publishedFor(model, weights, options);
  if (!published) return { file: weights };
  const { pretrained } = await import("../pretrained/node/index.ts");
  const { downloadBar } = await import("./download.ts");
  const bar = downloadBar(process.stderr);
  const { download } = options;
  const file = await pretrained(published, { download, onProgress: bar.show }).finally(bar.close);
  return { file, published };
}
