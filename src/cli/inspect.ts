import { existsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { extname } from "node:path";
import { Command } from "commander";
import { openCheckpoint } from "../checkpoint/node/index.ts";
import { formatShape, itemSize, numel } from "../graph/index.ts";
import { MODELS, type Recognized, recognize } from "../models/index.ts";
import { type OnnxFacts, readOnnxFacts } from "../onnx/node/index.ts";
import { isImported, isKeras, readImportedFacts, tfjsFile } from "../tfjs/node/index.ts";
import { grouped, megabytes, valueList } from "./format.ts";
import { type Described, describeFile, describeFolder, unreadable } from "./inspect-other.ts";
import { isNetworkFile, type WeightFlags, weightFileOf, withWeightFlags } from "./model.ts";
import { print, printJson, printTable, UsageError } from "./support.ts";

interface TensorFacts {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

interface Facts {
  readonly file: string;
  readonly format: keyof typeof FORMATS;
  /** Of the file, in bytes. */
  readonly size: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly TensorFacts[];
  /** Parts of a PyTorch file that are sets of weights, if there are several; `key` is the one shown. */
  readonly sets?: readonly string[];
  readonly key?: string;
  readonly notes?: readonly string[];
  /** Classes and functions that the file names and that are not known. Nothing is executed. */
  readonly unknown?: readonly string[];
  /** Built-in networks whose weights have these keys and shapes. */
  readonly networks: readonly Recognized[];
  readonly onnx?: Pick<OnnxFacts, "irVersion" | "opsets" | "producer" | "graph"> & {
    readonly inputs: object;
    readonly outputs: object;
    readonly operators: object;
  };
}

const FORMATS = {
  torch: "PyTorch, zip form",
  "torch-legacy": "PyTorch, stream form (before 1.6)",
  "torch-tar": "PyTorch, tar form (before 0.1.10)",
  torchscript: "TorchScript archive",
  pickle: "Python pickle",
  safetensors: "safetensors",
  onnx: "ONNX",
  tfjs: "TensorFlow.js model",
  keras: "Keras model",
} as const;

async function factsOf(file: string, { key, rename }: WeightFlags): Promise<Facts> {
  const { size } = statSync(file);
  const kind = isKeras(file) ? "keras" : "tfjs";
  const isTfjs = isImported(file) && extname(file).toLowerCase() !== ".onnx";
  if (isTfjs || (await isOnnx(file))) {
    const read = isTfjs ? await readImportedFacts(file) : readOnnxFacts(file);
    const { metadata, weights, inputs, outputs, operators, ...rest } = read;
    const tensors = [...weights].map(([name, { dtype, shape, bytes }]) => ({ name, dtype, shape, bytes }));
    const onnx = {
      ...rest,
      inputs: Object.fromEntries(inputs),
      outputs: Object.fromEntries(outputs),
      operators: Object.fromEntries(operators),
    };
    const beside = kind === "tfjs" ? tensors.reduce((sum, { bytes }) => sum + bytes, 0) : 0;
    const whole = statSync(tfjsFile(file) ?? file).size + beside;
    if (isTfjs) return { file, format: kind, size: whole, metadata, tensors, networks: [], onnx };
    return { file, format: "onnx", size, metadata, tensors, networks: recognize(weights), onnx };
  }
  const opened = await openCheckpoint(file, { key, rename, fits: (entries) => recognize(entries).length });
  await opened.close();
  const { format, metadata, sets = [], notes = [], unknown = [] } = opened;
  const found = {
    ...(sets.length > 0 && { sets }),
    ...(opened.key !== undefined && { key: opened.key }),
    ...(notes.length > 0 && { notes }),
    ...(unknown.length > 0 && { unknown }),
  };
  const tensors = [...opened.tensors].map(([name, { dtype, shape }]) => {
    return { name, dtype, shape, bytes: numel(shape) * itemSize(dtype) };
  });
  return { file, format, size, metadata, ...found, tensors, networks: recognize(opened.tensors) };
}

/** Whether a file is ONNX: by its name, or by its first byte, the tag of a model's IR version. */
async function isOnnx(file: string): Promise<boolean> {
  if (extname(file).toLowerCase() === ".onnx") return true;
  const handle = await open(file);
  const { buffer, bytesRead } = await handle.read(new Uint8Array(9), 0, 9, 0).finally(() => handle.close());
  // a header of safetensors begins with its length and "{"
  return bytesRead > 1 && buffer[0] === 0x08 && buffer[8] !== 0x7b;
}

function show(
  { file, format, size, metadata, tensors, networks, onnx, notes = [], unknown = [] }: Facts,
  next: string,
): void {
  print(`${file}  ${FORMATS[format]}, ${megabytes(size)}`);
  if (onnx) {
    const opsets = Object.entries(onnx.opsets).map(([domain, version]) => `${domain || "ONNX"} ${version}`);
    if (opsets.length > 0) print(`opset     ${opsets.join(", ")} (IR version ${onnx.irVersion})`);
    print(`producer  ${onnx.producer || "not recorded"}`);
    print(`inputs    ${valueList(Object.entries(onnx.inputs))}`);
    print(`outputs   ${valueList(Object.entries(onnx.outputs))}`);
    const operators = Object.entries(onnx.operators);
    print(
      `${"tfjs keras".includes(format) ? "layers   " : "operators"} ${operators.map(([name, count]) => `${name} ×${count}`).join(", ")}`,
    );
  }
  const removed = networks[0]?.removed;
  const without = removed === undefined ? "" : ` (without "${removed}" at the start of every key)`;
  if (networks.length > 0) print(`fits      ${networks.map(flagsOf).join(", or ")}${without}`);
  print(`next      ${next}`);
  for (const line of notes) print(`note      ${line}`);
  if (unknown.length > 0)
    print(
      `classes   ${unknown.slice(0, 5).join(", ")}${unknown.length > 5 ? ", …" : ""} (not needed; nothing is executed)`,
    );
  for (const [key, value] of Object.entries(metadata)) print(`${key}: ${shortened(value)}`);
  if (tensors.length === 0) return;
  print("");
  printTable([TITLES, ...tensors.map(rowOf)]);
  const numbers = tensors.reduce((sum, { shape }) => sum + numel(shape), 0);
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  print(`\n${grouped(tensors.length)} tensors, ${grouped(numbers)} numbers, ${grouped(bytes)} bytes`);
}

const TITLES = ["tensor", "type", "shape", "bytes"];
const rowOf = ({ name, dtype, shape, bytes }: TensorFacts) => [name, dtype, formatShape(shape), grouped(bytes)];

/** A network with the options that select it. */
function flagsOf({ model, variant, numClasses, inChannels }: Recognized): string {
  const classes = numClasses === MODELS[model].numClasses ? "" : ` --num-classes ${numClasses}`;
  const channels =
    inChannels === MODELS[model].inChannels ? "" : ` of ${inChannels} channel${inChannels === 1 ? "" : "s"}`;
  return `${model} --variant ${variant}${classes}${channels}`;
}

/** A value cut to one line: lists of classes can be long. */
function shortened(value: string): string {
  const line = value.replaceAll(/\s+/g, " ");
  return line.length <= 100 ? line : `${line.slice(0, 99)}… (${grouped(value.length)} characters; --json shows all)`;
}

/** What to type next with weights or a network. */
function nextCommand({ file, format, networks, onnx }: Facts): string {
  if (onnx) return `convnets summary ${file}`;
  const [fit] = networks;
  if (fit) return `convnets eval ${fit.model} --weights ${file} --data DIR`;
  return format === "safetensors"
    ? `convnets eval ${file} --data DIR`
    : `convnets eval net.js --weights ${file} --data DIR`;
}

/** What a path is that holds neither weights nor a network; undefined if it does. */
async function describeOther(path: string): Promise<Described | undefined> {
  if (!statSync(path).isDirectory()) return describeFile(path);
  // imported only here: other commands start faster without it
  const { isRun } = await import("./network.ts");
  return isRun(path) ? undefined : describeFolder(path);
}

function showOther(path: string, { what, next }: Described): void {
  print(`${path}  ${what}`);
  if (next !== undefined) print(`next      ${next}`);
}

export const command = withWeightFlags(new Command("inspect"))
  .description(
    "Show what a file or folder is, what fits it, and what to type next. Numbers are not read, so files of any size take no time.",
  )
  .argument(
    "<file>",
    "weights, an .onnx file, a model of TensorFlow.js (model.json) or Keras (.keras, .h5), a run's folder, a data set or an image; the format is detected from the content",
  )
  .option("--json", "everything, as JSON")
  .addHelpText(
    "after",
    `
It shows the format, the metadata, every tensor with its type, shape and size, the built-in networks that
have exactly these weights, and for an .onnx file its opset, inputs, outputs and operators.

Examples:
  convnets inspect vgg16-397923af.pth
  convnets inspect run/20260101-120000-nin-cifar10/best.safetensors --json
  convnets inspect model.onnx`,
  )
  .action(async (named: string, { json, ...asked }: WeightFlags & { json?: boolean }) => {
    if (!existsSync(named)) throw new UsageError(`there is no file ${named}`);
    if (isNetworkFile(named)) throw new UsageError(`${named} is code; convnets summary ${named} shows its network`);
    const other = isImported(named) ? undefined : await describeOther(named);
    if (other) return json ? printJson({ file: named, ...other }) : showOther(named, other);
    const file = isImported(named) ? named : await weightFileOf(named);
    if (Object.keys(asked).length > 0 && (isImported(file) || (await isOnnx(file))))
      throw new UsageError("--key and --rename are for weight files");
    const facts = await factsOf(file, asked).catch((error: Error) => {
      throw unreadable(file, error);
    });
    const next = nextCommand(facts);
    if (json) return printJson({ ...facts, next });
    show(facts, next);
  });
