import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, extname } from "node:path";
import { buffer } from "node:stream/consumers";
import { Command, Option } from "commander";
import {
  encodeNpy,
  encodeNpz,
  isNpy,
  readNpy,
  readNpz,
  readNumpy,
  toFloat32,
  writeNumpy,
} from "../checkpoint/node/index.ts";
import { fileDataset, workerLoader } from "../data/node/index.ts";
import { formatShape, type TensorData } from "../graph/index.ts";
import { compile } from "../infer/index.ts";
import { VARIANTS, type Variant } from "../models/index.ts";
import { Module } from "../nn/index.ts";
import { nodeEngine } from "../runtime/node/index.ts";
import { isImported } from "../tfjs/node/index.ts";
import { FEW, imageFiles, namesImages } from "./image-files.ts";
import { checkInputs, isNetworkFile, loadModel, WEIGHTS_HELP, type WeightFlags, withWeightFlags } from "./model.ts";
import { NETWORK_HELP, openNetwork } from "./network.ts";
import { addPreprocessing, type PreprocessingFlags, TOLD, withTold } from "./preprocessing.ts";
import { note, parsePositive, print, printJson, UsageError } from "./support.ts";

interface Flags extends PreprocessingFlags, WeightFlags {
  output?: string;
  weights?: string;
  model?: string;
  variant?: Variant;
  threads?: number;
  json?: boolean;
}

type Tensors = Readonly<Record<string, TensorData>>;

/** Most numbers of a tensor that --json prints. */
const PRINTED = 1000;
/** Numbers of a tensor that a line shows. */
const SHOWN = 6;

interface Network {
  readonly model: Module;
  readonly weights?: ReadonlyMap<string, TensorData>;
}

/** A network that needs no preprocessing and no classes: any .onnx file, also one of several inputs. */
async function networkOf(target: string, { model, weights, variant, key, rename }: Flags): Promise<Network> {
  const isBare = weights === undefined && model === undefined && variant === undefined;
  if (isBare && isImported(target)) return loadModel(target);
  if (isBare && isNetworkFile(target)) {
    const loaded = await loadModel(target);
    const complete = [...loaded.model.parameters()].every(([, { data }]) => data !== undefined);
    if (complete) return loaded;
  }
  const opened = await openNetwork(target, { model, weights, variant, key, rename });
  for (const sentence of opened.assumed)
    if (!/preprocessing|size of images|names of its classes/.test(sentence)) note(sentence);
  return opened;
}

/** Images that run together. */
const BATCH = 16;

/** The outputs of a network for image files, prepared as its weights need it. */
async function ofImages(target: string, names: readonly string[], flags: Flags): Promise<TensorData | Tensors> {
  const { model: named, weights: asked, variant, key, rename, threads } = flags;
  const files = await imageFiles(names);
  const opened = withTold(
    await openNetwork(target, { model: named, weights: asked, variant, key, rename, rawOutputs: true }),
    flags,
  );
  for (const sentence of opened.assumed) if (!/names of its classes/.test(sentence)) note(sentence);
  const { model, weights, preprocessing, channels } = opened;
  const labels = new Int32Array(files.length);
  const dataset = fileDataset({ name: "images", classes: ["unknown"], files, labels, decode: { channels } });
  const workers = files.length <= FEW ? 0 : Math.max(1, availableParallelism() >> 1);
  const loader = workerLoader(dataset, { batchSize: BATCH, workers, transforms: preprocessing });
  const predict = await compile(model, { engine: nodeEngine(threads === undefined ? {} : { threads }), weights });
  const parts: (TensorData | Tensors)[] = [];
  try {
    for await (const { images } of loader.epoch(0)) parts.push(await predict(images));
  } finally {
    await predict.dispose();
    await loader.close();
  }
  const [first] = parts;
  if (isTensor(first!)) return stacked("output", parts as TensorData[]);
  const outputs = Object.keys(first!);
  return Object.fromEntries(
    outputs.map((name) => [
      name,
      stacked(
        name,
        parts.map((part) => (part as Tensors)[name]!),
      ),
    ]),
  );
}

/** Outputs of several batches as one. */
function stacked(name: string, parts: readonly TensorData[]): TensorData {
  const [first] = parts as [TensorData];
  if (parts.length === 1) return first;
  const rest = first.shape.slice(1);
  if (first.shape.length === 0 || parts.some(({ shape }) => String(shape.slice(1)) !== String(rest)))
    throw new UsageError(`the output ${name} has no axis for the images; give at most ${BATCH} of them`);
  const data = new Float32Array(parts.reduce((sum, { data }) => sum + data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part.data as Float32Array, at);
    at += part.data.length;
  }
  return { dtype: "float32", shape: [parts.reduce((sum, { shape }) => sum + shape[0]!, 0), ...rest], data };
}

/** The outputs of a network for arrays, which are passed on as they are. */
async function ofArrays(target: string, texts: readonly string[], flags: Flags): Promise<TensorData | Tensors> {
  const told = TOLD.find((name) => flags[name] !== undefined);
  if (told !== undefined)
    throw new UsageError(`--${told} is for image files; arrays are passed on as they are, so prepare them before`);
  const { threads } = flags;
  const inputs = await readInputs(texts);
  const { model, weights } = await networkOf(target, flags);
  const given = isTensor(inputs) ? 1 : Object.keys(inputs).length;
  checkInputs(target, model, given, "name each: a=x.npy b=y.npy, or a .npz file with them");
  const engine = nodeEngine(threads === undefined ? {} : { threads });
  const names = inputNames(model, inputs);
  if (names?.length === 0)
    throw new UsageError(
      `${target}: the inputs of its forward have no names that can be read; give it a forward(a, b)`,
    );
  const predict = await compile(model, { engine, ...(weights && { weights }), ...(names && { inputs: names }) });
  try {
    return await predict(inputs);
  } finally {
    await predict.dispose();
  }
}

/** One array without a name, or inputs by name: `name=file.npy`, and the arrays of .npz files. */
async function readInputs(texts: readonly string[]): Promise<TensorData | Tensors> {
  if (texts.filter((text) => /^(\w+=)?-$/.test(text)).length > 1)
    throw new UsageError('"-" can stand for one input only');
  const inputs: Record<string, TensorData> = {};
  for (const text of texts) {
    const [, name, file = text] = /^([A-Za-z_][\w.:]*)=(.+)$/s.exec(text) ?? [];
    const read = file === "-" ? await fromStdin() : await readNumpy(file);
    if (isTensor(read)) {
      if (name === undefined && texts.length === 1) return floats(read, file);
      if (name === undefined) throw new UsageError(`several inputs need names, such as image=${file}`);
      inputs[name] = floats(read, file);
    } else {
      if (name !== undefined) throw new UsageError(`the arrays in ${file} have names already; leave out "${name}="`);
      for (const [key, tensor] of read) inputs[key] = floats(tensor, `${file}, array "${key}"`);
    }
  }
  const [first, ...others] = Object.values(inputs);
  // a .npz file of one array is a tensor; np.savez calls it arr_0
  return first && others.length === 0 && "arr_0" in inputs ? first : inputs;
}

async function fromStdin(): Promise<TensorData | Map<string, TensorData>> {
  if (process.stdin.isTTY) throw new UsageError('"-" reads a .npy or .npz file from standard input; pipe one into it');
  const bytes = new Uint8Array(await buffer(process.stdin));
  return isNpy(bytes) ? readNpy(bytes) : readNpz(bytes);
}

const isTensor = (value: object): value is TensorData => "dtype" in value;

/** Networks compute in float32; whole numbers are probably pixels that have to be scaled as in training. */
function floats(tensor: TensorData, what: string): TensorData<"float32"> {
  const { dtype, shape, data } = toFloat32(tensor);
  if (dtype !== "float32")
    throw new UsageError(
      `${what} is ${dtype}; a network takes float32: scale and normalize the numbers as in training, and save them with x.astype("float32")`,
    );
  return { dtype, shape, data: data as Float32Array };
}

/** A tensor in a line: type, shape, and its first numbers. */
function lineOf(name: string, { dtype, shape, data }: TensorData): string {
  const shown = Array.from((data as Float32Array).subarray(0, SHOWN), (x) => x.toPrecision(5)).join(", ");
  return `${name}  ${dtype}${formatShape(shape)}  ${shown}${data.length > SHOWN ? ", …" : ""}`;
}

/** A tensor as JSON: its numbers if they are few, else what they range over. */
function factsOf({ dtype, shape, data }: TensorData) {
  const numbers = data as Float32Array;
  if (numbers.length <= PRINTED) return { dtype, shape, data: Array.from(numbers) };
  let [min, max, sum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (const x of numbers) [min, max, sum] = [Math.min(min, x), Math.max(max, x), sum + x];
  return { dtype, shape, min, max, mean: sum / numbers.length };
}

/** Names of the parameters of `forward`, by the source of its class; undefined where they are no plain names. */
function parameterNames(model: Module): string[] | undefined {
  for (let at = Object.getPrototypeOf(model); at && at !== Module.prototype; at = Object.getPrototypeOf(at)) {
    const [, parameters] = /\bforward\s*\(([^()]*)\)\s*\{/.exec(String(at.constructor)) ?? [];
    if (parameters === undefined) continue;
    const names = parameters.split(",").map((name) => name.trim());
    return names.every((name) => /^[\w$]+$/.test(name)) ? names.filter((name) => name !== "") : undefined;
  }
  return undefined;
}

/** Names of the inputs in order. Those of a .onnx file are known to `compile`; of other networks they are those of `forward`. */
function inputNames(model: Module, inputs: TensorData | Tensors): readonly string[] | undefined {
  if (isTensor(inputs) || "inputs" in model) return undefined;
  const names = parameterNames(model);
  if (names && names.length > 1) return names;
  // without names, the order of arrays in a file could mean anything
  return Object.keys(inputs).length > 1 ? [] : undefined;
}

async function write(output: string, results: TensorData | Tensors): Promise<void> {
  const isPipe = output === "-";
  const extension = extname(output).toLowerCase();
  if (isTensor(results) && extension !== ".npz") {
    if (isPipe) process.stdout.write(encodeNpy(results));
    else await writeNumpy(output, results);
    return;
  }
  const tensors = new Map(Object.entries(isTensor(results) ? { output: results } : results));
  if (extension === ".npy")
    throw new UsageError(`the network has the outputs ${[...tensors.keys()].join(", ")}; write them to a .npz file`);
  if (isPipe) for (const piece of encodeNpz(tensors)) process.stdout.write(piece);
  else await writeNumpy(output, tensors);
}

/** Throws a UsageError where the output could not be written. */
function checkOutput(output: string): void {
  if (output === "-") return;
  if (![".npy", ".npz"].includes(extname(output).toLowerCase()))
    throw new UsageError(`${output} has to end in .npy, or in .npz for several outputs`);
  if (!existsSync(dirname(output))) throw new UsageError(`there is no folder ${dirname(output)}`);
}

export const command = withWeightFlags(new Command("predict"))
  .description("Compute the outputs of a network: images, or tensors from .npy or .npz files, in; tensors out.")
  .argument("<network>", NETWORK_HELP)
  .argument(
    "<inputs...>",
    'image files and folders of them; or float32 arrays [N, C, H, W]: x.npy, name=x.npy for each of several inputs, a .npz file with arrays of these names, or "-" for standard input',
  )
  .option("-o, --output <file>", 'write the outputs: .npy for one, .npz for several, "-" for standard output')
  .option("--weights <file>", `weights of the network: ${WEIGHTS_HELP}`)
  .option("--model <name>", "the network of the weights, if the file does not record it: a name or net.js[#Export]")
  .addOption(new Option("--variant <name>", "variant of the network").choices(VARIANTS))
  .option("--threads <n>", "threads that compute", parsePositive)
  .option("--json", `the outputs as JSON; of more than ${PRINTED} numbers, their minimum, maximum and mean`)
  .addHelpText(
    "after",
    `
Images are prepared as the weights need it, in the order in which they are named; "convnets classify" gives
names of classes instead. Arrays are passed on as they are: scale and normalize them as in training. The
network runs in evaluation mode.

Examples:
  convnets predict model.onnx photo.jpg --json
  convnets predict model.onnx photos/ -o features.npy --mean 0.5 --std 0.5
  convnets predict model.onnx x.npy -o y.npy
  convnets predict run/20260101-120000-nin-cifar10 x.npy --json
  convnets predict net.js image=a.npy mask=b.npy --weights weights.pth -o outputs.npz
  python make_input.py | convnets predict model.onnx - -o - | python use_output.py`,
  )
  .action(async (target: string, texts: string[], flags: Flags) => {
    const { output, json } = flags;
    if (output !== undefined) checkOutput(output);
    if (output === "-" && json) throw new UsageError("--json and -o - both write to standard output");
    const images = texts.filter(namesImages);
    if (images.length > 0 && images.length < texts.length)
      throw new UsageError(
        `${images[0]} is an image, ${texts.find((text) => !namesImages(text))} is none; give either`,
      );
    const results = await (images.length > 0 ? ofImages : ofArrays)(target, texts, flags);
    if (output !== undefined) await write(output, results);
    const named = Object.entries(isTensor(results) ? { output: results } : results);
    if (json) printJson(Object.fromEntries(named.map(([name, tensor]) => [name, factsOf(tensor)])));
    else if (output !== "-") for (const [name, tensor] of named) print(lineOf(name, tensor));
  });

addPreprocessing(command);
