import { existsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { Command, Option } from "commander";
import {
  type Checkpoint,
  encodeSafetensors,
  prefixNote,
  readCheckpoint,
  readNotes,
  readSafetensorsHeader,
  safetensorsLayout,
  writeAtomically,
} from "../checkpoint/node/index.ts";
import { NORMALIZATION } from "../data/index.ts";
import { countFitting, fitKeys, type Graph, type Shape, type TensorData } from "../graph/index.ts";
import { MODELS, recognize, VARIANTS, type Variant } from "../models/index.ts";
import type { Module } from "../nn/index.ts";
import { encode, exportOnnx, type Preprocess } from "../onnx/index.ts";
import { sgd } from "../optim/index.ts";
import { lower, simplify } from "../passes/index.ts";
import { publishedMetadata } from "../pretrained/index.ts";
import { trainingGraphs } from "../train/index.ts";
import { megabytes, valueList } from "./format.ts";
import {
  loadModel,
  loadToShow,
  MODEL_HELP,
  type ModelFlags,
  oneInput,
  recorded,
  resolveWeights,
  WEIGHTS_HELP,
  type WeightFlags,
  withWeightFlags,
} from "./model.ts";
import { addPreprocessing, type PreprocessingFlags, recordedAsTold } from "./preprocessing.ts";
import { networkOf } from "./recognized.ts";
import { note, parseInput, parsePositive, print, UsageError } from "./support.ts";

interface Flags extends ModelFlags, PreprocessingFlags, WeightFlags {
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

/** The options of an export; all but the output have defaults. */
export type ExportFlags = Pick<Flags, "output"> & Partial<Flags>;

interface ToExport {
  readonly name: string;
  readonly model: Module;
  readonly input: Shape;
}

/** A transform as data: its name, or its name with options. */
type TransformData = string | Readonly<Record<string, unknown>>;

/** The options of the network: those of the command line, else what the weights' metadata record. */
function described(name: string, flags: ModelFlags, { metadata }: Checkpoint): ModelFlags {
  if (metadata.architecture !== name) return flags;
  return {
    ...(metadata.variant !== undefined && { variant: metadata.variant as Variant }),
    ...recorded(metadata),
    finished: flags.numClasses === undefined && flags.variant === undefined,
    ...flags,
  };
}

/** A weight file. Published ones get the metadata that train would have written. */
async function readWeights(
  model: string,
  weights: string,
  { variant, key, rename }: Partial<Flags>,
): Promise<Checkpoint> {
  const { file, published } = await resolveWeights(model, weights, { variant });
  const shapes = model === "" ? undefined : await shapesOf(model, variant);
  const fits = shapes && ((entries: Parameters<typeof countFitting>[0]) => countFitting(entries, shapes));
  const read = await readCheckpoint(file, { key, rename, fits: fits ?? ((entries) => recognize(entries).length) });
  for (const line of readNotes(file, read)) note(line);
  return { tensors: read.tensors, metadata: published ? publishedMetadata(published) : read.metadata };
}

/** The weights of a network that is no built-in one, to tell which set of a file is its. */
async function shapesOf(model: string, variant?: Variant): Promise<ReadonlyMap<string, readonly number[]> | undefined> {
  if (Object.hasOwn(MODELS, model)) return undefined;
  const loaded = await loadModel(model, { ...(variant && { variant }), finished: true });
  return loaded.model.stateShapes();
}

/** The normalization that the weights were trained with; torchvision's if the file does not record it. */
function preprocessing(
  steps: readonly TransformData[] | undefined,
  layout: Flags["layout"] = "NCHW",
  channels: number,
): Preprocess {
  const { mean, std } = NORMALIZATION.imagenet;
  if (!steps && channels !== 3)
    throw new UsageError(
      `--preprocess: how to normalize images of ${channels} channel${channels === 1 ? "" : "s"} is not known; give --weights that record it, as "convnets train" writes them`,
    );
  if (!steps) return { mean, std, layout };
  const found = steps.find((step) => typeof step === "object" && step.normalize) as
    | { normalize: { mean: number[]; std: number[] } }
    | undefined;
  const each = (value: number) => new Array<number>(channels).fill(value);
  return found ? { ...found.normalize, layout } : { mean: each(0), std: each(1), layout };
}

/** The preprocessing that is left when the graph scales and normalizes. */
const outside = (steps: readonly TransformData[]) =>
  steps.filter((step) => step !== "toTensor" && !(typeof step === "object" && step.normalize));

type Layout = ReadonlyMap<string, { readonly offset: number; readonly length: number }>;

/** Where the tensors of a .safetensors file are; undefined if some have types that networks do not compute in. */
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

/** The file that a model without its own weights refers to: that of the weights if possible, else a new one. */
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
  const { preprocessing: recorded, ...metadata } = given.metadata;
  const text = recordedAsTold(recorded, flags, { channels: Number(input[1]), side: Number(input[2]) });
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
  const isSeveral = softmax && metadata.task === "labels";
  if (isSeveral) note("Images have several labels: each label gets a probability of its own, by a sigmoid.");
  const { bytes, graph } = exportOnnx(model, {
    input,
    ...(isSeveral ? { sigmoid: true } : { softmax }),
    foldBatchNorm,
    aux,
    ...(preprocess && { preprocess: preprocessing(steps, flags.layout, Number(input[1])) }),
    ...(file && { external: { location: file.location, layout } }),
    metadata: { ...about, ...(kept && { preprocessing: JSON.stringify(kept) }) },
  });
  // the weights first: a model never refers to a file that does not exist
  if (beside && file) await write(join(dirname(output), file.location), [...encodeSafetensors(beside)]);
  await write(output, [bytes], graph);
}

/** Throws a UsageError if the output could not be written, or would overwrite a file. */
function checkOutput(output: string, force?: boolean): void {
  if (extname(output).toLowerCase() !== ".onnx") throw new UsageError(`${output} has to end in .onnx`);
  if (!existsSync(dirname(output))) throw new UsageError(`there is no folder ${dirname(output)}`);
  checkFree(output, force);
}

/** Throws a UsageError for an existing file, unless it may be overwritten. */
export function checkFree(path: string, force = false): void {
  if (existsSync(path) && statSync(path).isDirectory())
    throw new UsageError(`${path} is a directory; a file was expected`);
  if (existsSync(path) && !force) throw new UsageError(`${path} already exists; --force overwrites it`);
}

/** Writes a network as an .onnx file, with these weights or initialized at random. */
export async function exportNetwork(name: string, flags: ExportFlags, weights?: Checkpoint): Promise<void> {
  const { output, variant, numClasses, input, dequantize } = flags;
  const asked: ModelFlags = {
    ...(dequantize && { dequantize }),
    ...(variant && { variant }),
    ...(numClasses !== undefined && { numClasses }),
    ...(input && { input }),
  };
  const given: Checkpoint = weights ?? { tensors: new Map(), metadata: await metadataOf(name) };
  const loaded = await loadToShow(name, {
    ...described(name, asked, given),
    ...(weights?.metadata.inputSize && { images: true }),
  });
  if (weights) {
    const fitted = fitKeys(given.tensors, loaded.model.stateShapes());
    const prefix = prefixNote(flags.weights ?? name, fitted);
    if (prefix !== undefined) note(prefix);
    loaded.model.loadStateDict(fitted.weights);
  }
  const open = (shape: readonly number[]): Shape => ["N", ...shape.slice(1)];
  const toExport: ToExport = { ...loaded, input: open(oneInput(loaded.input, name)) };
  if (flags.training) await exportTraining(toExport, output);
  else await exportInference(toExport, flags, given);
}

/** The metadata of a network in a file, which are kept in what is made from it. */
async function metadataOf(name: string): Promise<Checkpoint["metadata"]> {
  const { isImported, readImportedFacts } = await import("../tfjs/node/index.ts");
  return existsSync(name) && isImported(name) ? (await readImportedFacts(name)).metadata : {};
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

/** What to export for a run's folder or a weight file; undefined for a network. */
async function withOwnWeights(target: string, flags: Flags): Promise<[string, ExportFlags, Checkpoint] | undefined> {
  if (!existsSync(target)) return undefined;
  const { isImported } = await import("../tfjs/node/index.ts");
  if (isImported(target)) return undefined;
  if (statSync(target).isDirectory()) {
    const { isRun } = await import("./network.ts");
    if (!isRun(target)) throw new UsageError(`${target} is a directory; a network file or a run's folder was expected`);
    const { readConfig } = await import("../runs/node/index.ts");
    const { model, variant } = await readConfig(target);
    const weights = await readWeights(model, target, {});
    return [model, { ...(variant && { variant }), ...flags }, weights];
  }
  if (!/\.(safetensors|pth|pt)$/i.test(target)) return undefined;
  const weights = await readWeights("", target, flags);
  const remedy = `pass both: convnets export net.js --weights ${target}`;
  const { name, ...network } = networkOf(target, weights, flags, remedy);
  return [name, { ...network, ...flags }, weights];
}

export const command = withWeightFlags(new Command("export"))
  .description("Write a network as an .onnx file, for any ONNX runtime.")
  .argument("<model>", `${MODEL_HELP}; or a weight file that records its network`)
  .requiredOption("-o, --output <file.onnx>", "the file to write")
  .option(
    "--weights <file>",
    `weights of the network: ${WEIGHTS_HELP} (default: those of the run or file, else random weights)`,
  )
  .addOption(new Option("--variant <name>", "variant of the network").choices(VARIANTS))
  .option("--input <N,C,H,W>", "shape of the input; N is left open (default: the published size)", parseInput)
  .option("--num-classes <K>", "classes of the last layer", parsePositive)
  .option("--softmax", "end in probabilities; of several labels per image by a sigmoid")
  .option("--preprocess", "take pixels from 0 to 255 (uint8), and normalize them as in training")
  .addOption(
    new Option("--layout <axes>", "with --preprocess: order of the axes of the pixels (default: NCHW)").choices([
      "NCHW",
      "NHWC",
    ]),
  )
  .option("--fold-batch-norm", "fold batch normalization into the convolutions")
  .option("--external", "keep the weights in a .safetensors file next to the model")
  .option("--aux", "keep auxiliary classifiers")
  .option("--dequantize", "of a quantized .onnx file: the network in real numbers, which can be trained")
  .option("--force", "overwrite existing files")
  .addOption(
    new Option(
      "--training",
      "write a training step of SGD instead: from state, images and targets to the next state and the loss",
    ).conflicts(["weights", "softmax", "preprocess", "layout", "foldBatchNorm", "external", "aux"]),
  )
  .addHelpText(
    "after",
    `
Examples:
  convnets export vgg16 --variant torchvision --weights vgg16.pth -o vgg16.onnx
  convnets export run/20260101-120000-nin-cifar10 --softmax --preprocess -o nin.onnx
  convnets export net.js --weights weights.pth --input 1,3,64,64 -o net.onnx
  convnets export googlenet --weights googlenet.safetensors --fold-batch-norm --external -o googlenet.onnx
  convnets export googlenet --weights torchvision --softmax --preprocess -o googlenet.onnx
  convnets export model_int8.onnx --dequantize -o model.onnx
  convnets export inception_small --training -o step.onnx`,
  )
  .action(async (name: string, flags: Flags) => {
    const { output, weights } = flags;
    checkOutput(output, flags.force);
    if (flags.layout !== undefined && !flags.preprocess)
      throw new UsageError("--layout is the order of the axes of the pixels; it needs --preprocess");
    const network = weights === undefined ? await withOwnWeights(name, flags) : undefined;
    if (network) return exportNetwork(...network);
    await exportNetwork(name, flags, weights === undefined ? undefined : await readWeights(name, weights, flags));
  });

addPreprocessing(command);
