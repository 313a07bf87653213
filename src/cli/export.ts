import { existsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { Command, Option } from "commander";
import {
  type Checkpoint,
  encodeSafetensors,
  readCheckpoint,
  readSafetensorsHeader,
  safetensorsLayout,
  writeAtomically,
} from "../checkpoint/node/index.ts";
import { NORMALIZATION } from "../data/index.ts";
import type { Graph, Shape, TensorData } from "../graph/index.ts";
import { VARIANTS, type Variant } from "../models/index.ts";
import type { Module } from "../nn/index.ts";
import { encode, exportOnnx, type Preprocess } from "../onnx/index.ts";
import { sgd } from "../optim/index.ts";
import { lower, simplify } from "../passes/index.ts";
import { publishedMetadata } from "../pretrained/index.ts";
import { trainingGraphs } from "../train/index.ts";
import { megabytes, valueList } from "./format.ts";
import { loadModel, type ModelFlags, resolveWeights, WEIGHTS_HELP } from "./model.ts";
import { parsePositive, parseShape, print, UsageError } from "./support.ts";

interface Flags extends ModelFlags {
  output: string;
  weights?: string;
  softmax?: boolean;
  preprocess?: boolean;
  layout?: "NCHW" | "NHWC";
  force?: boolean;
  foldBatchNorm?: boolean;
  external?: boolean;
  training?: boolean;
  aux?: boolean;
}

/** What has to be said of an export; the rest has defaults. */
export type ExportFlags = Pick<Flags, "output"> & Partial<Flags>;

interface ToExport {
  readonly name: string;
  readonly model: Module;
  readonly input: Shape;
}

/** A transform as data: its name, or its name with options. */
type TransformData = string | Readonly<Record<string, unknown>>;

/** What the weights' metadata say of the network, where the command line does not. */
function described(name: string, flags: ModelFlags, { metadata }: Checkpoint): ModelFlags {
  if (metadata.architecture !== name) return flags;
  const size = Number(metadata.inputSize);
  return {
    ...(metadata.variant !== undefined && { variant: metadata.variant as Variant }),
    ...(metadata.classes !== undefined && { numClasses: (JSON.parse(metadata.classes) as unknown[]).length }),
    ...(size > 0 && { input: [1, Number(metadata.inChannels ?? 3), size, size] }),
    ...flags,
  };
}

/** A weight file; published ones are described as those that train writes. */
async function readWeights(model: string, weights: string, variant?: Variant): Promise<Checkpoint> {
  const { file, published } = await resolveWeights(model, weights, { variant });
  if (!existsSync(file)) throw new UsageError(`there is no weight file ${file}`);
  const { tensors, metadata } = await readCheckpoint(file);
  return { tensors, metadata: published ? publishedMetadata(published) : metadata };
}

/** Normalization that the weights were trained with; torchvision's where they do not say. */
function preprocessing(
  steps: readonly TransformData[] | undefined,
  layout: Flags["layout"] = "NCHW",
  channels: number,
): Preprocess {
  const { mean, std } = NORMALIZATION.imagenet;
  if (!steps && channels !== 3)
    throw new UsageError(
      `--preprocess: nothing says how images of ${channels} channel${channels === 1 ? "" : "s"} are normalized; give --weights that say it, as "convnets train" writes them`,
    );
  if (!steps) return { mean, std, layout };
  const found = steps.find((step) => typeof step === "object" && step.normalize) as
    | { normalize: { mean: number[]; std: number[] } }
    | undefined;
  const each = (value: number) => new Array<number>(channels).fill(value);
  return found ? { ...found.normalize, layout } : { mean: each(0), std: each(1), layout };
}

/** What is left to do before the network when the graph scales and normalizes. */
const outside = (steps: readonly TransformData[]) =>
  steps.filter((step) => step !== "toTensor" && !(typeof step === "object" && step.normalize));

type Layout = ReadonlyMap<string, { readonly offset: number; readonly length: number }>;

/** Where the tensors of a .safetensors file lie; undefined where some are of types that networks do not compute in. */
async function layoutOf(path: string): Promise<Layout | undefined> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    const read = async (offset: number, length: number) => {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await handle.read(bytes, 0, length, offset);
      return bytes.subarray(0, bytesRead);
    };
    const { tensors } = await readSafetensorsHeader({ size, read });
    return [...tensors.values()].every(({ dtype }) => dtype === "float32" || dtype === "int64") ? tensors : undefined;
  } finally {
    await handle.close();
  }
}

/** The file that a model without weights of its own points into: that of the weights where it will do, else a new one. */
async function externalFile(flags: ExportFlags): Promise<{ location: string; layout?: Layout }> {
  const { output, weights, foldBatchNorm = false } = flags;
  const location = `${basename(output, extname(output))}.safetensors`;
  if (weights === undefined || extname(weights) !== ".safetensors") return { location };
  const [folder, given] = [resolve(dirname(output)), resolve(weights)];
  const layout = !foldBatchNorm && dirname(given) === folder ? await layoutOf(given) : undefined;
  if (layout) return { location: basename(given), layout };
  if (given === join(folder, location)) {
    throw new UsageError(`${weights} would be overwritten with other weights; give the output another name`);
  }
  return { location };
}

async function exportInference({ name, model, input }: ToExport, flags: ExportFlags, given: Checkpoint): Promise<void> {
  const { output, softmax = false, preprocess = false, foldBatchNorm = false, aux = false } = flags;
  const { preprocessing: text, ...metadata } = given.metadata;
  const steps = text === undefined ? undefined : (JSON.parse(text) as TransformData[]);
  const kept = steps && (preprocess ? outside(steps) : steps);
  const about = { ...metadata, architecture: metadata.architecture ?? name };
  const file = flags.external ? await externalFile(flags) : undefined;
  if (file && !file.layout) checkFree(join(dirname(output), file.location), flags.force);
  let beside: Checkpoint | undefined;
  const layout = (weights: ReadonlyMap<string, TensorData>): Layout => {
    if (file?.layout) return file.layout;
    beside = { tensors: new Map(weights), metadata: { ...about, ...(text !== undefined && { preprocessing: text }) } };
    return safetensorsLayout(beside);
  };
  const { bytes, graph } = exportOnnx(model, {
    input,
    softmax,
    foldBatchNorm,
    aux,
    ...(preprocess && { preprocess: preprocessing(steps, flags.layout, Number(input[1])) }),
    ...(file && { external: { location: file.location, layout } }),
    metadata: { ...about, ...(kept && { preprocessing: JSON.stringify(kept) }) },
  });
  // the weights first: at no time does a model point into a file that is not there
  if (beside && file) await write(join(dirname(output), file.location), [...encodeSafetensors(beside)]);
  await write(output, [bytes], graph);
}

/** Throws where an export could not be written, or would take the place of another file. */
function checkOutput(output: string, force?: boolean): void {
  if (extname(output).toLowerCase() !== ".onnx") throw new UsageError(`${output} has to end in .onnx`);
  if (!existsSync(dirname(output))) throw new UsageError(`there is no folder ${dirname(output)} to write into`);
  checkFree(output, force);
}

/** Throws where a file would be overwritten that nobody said to overwrite. */
export function checkFree(path: string, force = false): void {
  if (existsSync(path) && statSync(path).isDirectory()) throw new UsageError(`${path} is a folder`);
  if (existsSync(path) && !force) throw new UsageError(`${path} is there already; --force overwrites it`);
}

/** Writes a network with these weights, or with weights drawn at random, as an .onnx file. */
export async function exportNetwork(name: string, flags: ExportFlags, weights?: Checkpoint): Promise<void> {
  const { output, variant, numClasses, input } = flags;
  const asked: ModelFlags = {
    ...(variant && { variant }),
    ...(numClasses !== undefined && { numClasses }),
    ...(input && { input }),
  };
  const given: Checkpoint = weights ?? { tensors: new Map(), metadata: await metadataOf(name) };
  const loaded = await loadModel(name, described(name, asked, given));
  if (weights) loaded.model.loadStateDict(given.tensors);
  const toExport: ToExport = { ...loaded, input: ["N", ...loaded.input.slice(1)] };
  if (flags.training) await exportTraining(toExport, output);
  else await exportInference(toExport, flags, given);
}

/** What an .onnx file says of itself, which what is made of it says as well. */
async function metadataOf(name: string): Promise<Checkpoint["metadata"]> {
  if (!/\.onnx$/i.test(name) || !existsSync(name)) return {};
  const { readOnnxFacts } = await import("../onnx/node/index.ts");
  return readOnnxFacts(name).metadata;
}

async function exportTraining({ model, input }: ToExport, output: string): Promise<void> {
  const { step } = trainingGraphs(model, { input, optimizer: sgd({ momentum: 0.9 }) });
  const graph = simplify(lower(step, "cpu"));
  await write(output, [encode(graph)], graph);
}

async function write(path: string, pieces: readonly Uint8Array[], graph?: Graph): Promise<void> {
  await writeAtomically(path, pieces);
  const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  print(`${path}  ${megabytes(bytes)}`);
  if (!graph) return;
  print(`  from ${valueList(graph.inputs.map((value) => [value.name, value]))}`);
  print(`  to   ${valueList(graph.outputs)}`);
}

export const command = new Command("export")
  .description("Write a network as an .onnx file, which every ONNX runtime takes.")
  .argument("<model>", 'a registered network (see "convnets models"), or file.js[#Export] with a Module')
  .requiredOption("-o, --output <file.onnx>", "where to write it")
  .option(
    "--weights <file>",
    `weights to put in: .safetensors, .pth or .pt, ${WEIGHTS_HELP} (default: as drawn at random)`,
  )
  .addOption(new Option("--variant <name>", "which version of the network").choices(VARIANTS))
  .option("--input <N,C,H,W>", "shape of the input; N is left open (default: the published size)", parseShape)
  .option("--num-classes <K>", "classes of the last layer", parsePositive)
  .option("--softmax", "end in probabilities")
  .option("--preprocess", "start from pixels 0 to 255 (uint8), scaled and normalized as the weights want it")
  .addOption(
    new Option("--layout <axes>", "with --preprocess: order of axes of the pixels (default: NCHW)").choices([
      "NCHW",
      "NHWC",
    ]),
  )
  .option("--fold-batch-norm", "make batch normalization part of the convolutions")
  .option("--external", "leave the weights in a .safetensors file beside the model, which others can load too")
  .option("--aux", "keep auxiliary classifiers")
  .option("--force", "overwrite files that are there")
  .addOption(
    new Option(
      "--training",
      "one step of SGD instead: from state, images and targets to the next state and the loss",
    ).conflicts(["weights", "softmax", "preprocess", "layout", "foldBatchNorm", "external", "aux"]),
  )
  .addHelpText(
    "after",
    `
Examples:
  convnets export vgg16 --variant torchvision --weights vgg16.pth -o vgg16.onnx
  convnets export nin --weights run/…/best.safetensors --softmax --preprocess -o nin.onnx
  convnets export googlenet --weights googlenet.safetensors --fold-batch-norm --external -o googlenet.onnx
  convnets export googlenet --weights torchvision --softmax --preprocess -o googlenet.onnx
  convnets export inception_small --training -o step.onnx`,
  )
  .action(async (name: string, flags: Flags) => {
    const { output, weights, variant } = flags;
    checkOutput(output, flags.force);
    if (flags.layout !== undefined && !flags.preprocess)
      throw new UsageError("--layout is the order of axes of the pixels, and goes with --preprocess");
    await exportNetwork(name, flags, weights === undefined ? undefined : await readWeights(name, weights, variant));
  });
