import { readWeights } from "convnets/checkpoint";
import { createModel, MODELS, type ModelOptions, modelEntry, recognize, type Variant } from "convnets/models";
import type { Module } from "convnets/nn";
import { onnxFacts, onnxModule } from "convnets/onnx";
import type { Source } from "./protocol.ts";

/** A network with the shape of its input. */
export interface Loaded {
  readonly title: string;
  readonly model: Module;
  readonly input: readonly number[];
  readonly weights: "random" | "file";
  readonly notes: readonly string[];
  /** How a registered network was made. */
  readonly made?: { readonly name: string; readonly options: ModelOptions };
  /** Names of the classes, if the file records them. */
  readonly classes?: readonly string[];
  /** What its images were normalized by, if the file records it. */
  readonly normalization?: { readonly mean: readonly number[]; readonly std: readonly number[] };
}

/** Side in pixels of the images of networks that do not record it. */
const SIDE = 224;

/** Builds a network, or reads it from a file. */
export async function load(source: Source): Promise<Loaded> {
  if (source.kind === "code")
    throw new Error("the network of the editor exists in its sandbox only; choose a registered network or a file");
  if (source.kind === "registered") return registered(source.name, source.options);
  const { name, bytes } = source;
  return /\.onnx$/i.test(name) ? ofOnnx(name, bytes) : ofWeights(name, bytes);
}

function registered(name: string, options: ModelOptions): Loaded {
  const { inputSize } = modelEntry(name);
  const model = createModel(name, options);
  const side = options.inputSize ?? model.spec?.inputSize ?? inputSize;
  const input = [1, options.inChannels ?? model.spec?.inChannels ?? 3, side, side];
  return { title: name, model, input, weights: "random", notes: [], made: { name, options } };
}

function ofOnnx(name: string, bytes: Uint8Array): Loaded {
  const model = onnxModule(bytes);
  const [shape = [1, 3, SIDE, SIDE], ...others] = model.inputs.values();
  if (others.length > 0)
    throw new Error(
      `${name} has ${others.length + 1} inputs (${[...model.inputs.keys()].join(", ")}); networks with one input can be shown`,
    );
  const input = shape.map((dim, axis) => (typeof dim === "number" ? dim : axis === 0 ? 1 : SIDE));
  const isOpen = shape.slice(1).some((dim) => typeof dim !== "number");
  const notes = isOpen ? [`${name} does not record its input size; assuming ${input.join("×")}`] : [];
  const { metadata } = onnxFacts({ size: bytes.length, read: (from, count) => bytes.subarray(from, from + count) });
  return { title: name, model, input, weights: "file", notes, ...recorded(metadata) };
}

/** What the metadata of a trained network say about its classes and images. */
function recorded({ classes, preprocessing }: Readonly<Record<string, string>>) {
  const names = listOf(classes);
  const steps = listOf(preprocessing) as readonly { readonly normalize?: Loaded["normalization"] }[] | undefined;
  const normalization = steps?.find(({ normalize }) => normalize)?.normalize;
  return {
    ...(names?.every((one): one is string => typeof one === "string") && { classes: names }),
    ...(normalization && { normalization }),
  };
}

/** A list in JSON; other programs may mean something else by the same name. */
function listOf(json: string | undefined): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(json ?? "null");
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Weights with the network that they belong to: the one that the file records, else the one whose weights have these shapes. */
async function ofWeights(name: string, bytes: Uint8Array): Promise<Loaded> {
  const { tensors, metadata } = await readWeights(bytes);
  const { architecture = "", variant, numClasses, inChannels, inputSize } = metadata;
  const isRecorded = Object.hasOwn(MODELS, architecture);
  const [found] = isRecorded ? [] : recognize(tensors);
  if (!isRecorded && !found)
    throw new Error(
      `${name} has ${tensors.size} weights, but none of the registered networks has weights of these names and shapes; open an .onnx file of the network instead`,
    );
  const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));
  const options = found
    ? { variant: found.variant, numClasses: found.numClasses, inChannels: found.inChannels }
    : without({
        variant: variant as Variant | undefined,
        numClasses: number(numClasses) ?? listOf(metadata.classes)?.length,
        inChannels: number(inChannels),
        inputSize: number(inputSize),
      });
  const loaded = registered(found?.model ?? architecture, options);
  loaded.model.loadStateDict(tensors);
  return {
    ...loaded,
    title: name,
    weights: "file",
    ...recorded(metadata),
    notes: found ? [`recognized as ${found.model}, variant ${found.variant}`] : [],
  };
}

/** Without the options that are undefined. */
function without(options: { [name in keyof ModelOptions]: ModelOptions[name] | undefined }): ModelOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
