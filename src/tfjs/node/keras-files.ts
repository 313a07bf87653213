/** Models that Keras saved: .keras (Keras 3), and .h5 (all versions). */
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { CheckpointError, inMemory, readZipDirectory, readZipEntry } from "../../checkpoint/index.ts";
import { itemSize, numel, type TensorData } from "../../graph/index.ts";
import type { OnnxFacts, OnnxModel } from "../../onnx/node/index.ts";
import { ensure, quote, TfjsError } from "../error.ts";
import { storedLayers } from "../keras-variables.ts";
import { buildKerasModel, countOperators, type TfjsOptions } from "../model.ts";
import { readHdf5 } from "./hdf5.ts";

/** Whether a path has the name of a model of Keras. */
export const isKeras = (path: string): boolean => [".keras", ".h5", ".hdf5"].includes(extname(path).toLowerCase());

/** A model as its file has it. */
interface KerasFile {
  readonly config: unknown;
  readonly producer: string;
  readonly weights: ReadonlyMap<string, TensorData>;
}

/**
 * Reads a model that Keras saved, `model.save("model.keras")` or `"model.h5"`. It needs the package h5wasm. Throws a TfjsError that names
 * the file if it is damaged, holds weights only, or needs what is not supported.
 */
export async function readKeras(path: string, options: TfjsOptions = {}): Promise<OnnxModel> {
  return withName(path, async () => {
    const file = await open(path);
    const { declared: _, ...model } = buildKerasModel(file, file.weights, options);
    // errors of layouts come now
    for (const weight of model.weights.values()) void weight.data;
    return model;
  });
}

/** What such a file holds. */
export async function readKerasFacts(path: string): Promise<OnnxFacts> {
  return withName(path, async () => {
    const file = await open(path);
    const { graph, declared } = buildKerasModel(file, file.weights);
    const stored = [...file.weights].map(
      ([name, { dtype, shape }]) => [name, { dtype, shape, bytes: numel(shape) * itemSize(dtype) }] as const,
    );
    return {
      irVersion: 0,
      opsets: {},
      producer: file.producer,
      graph: graph.name,
      metadata: {},
      inputs: new Map(
        graph.inputs.map(({ name, dtype, shape }) => [name, { dtype, shape: declared.get(name) ?? shape }]),
      ),
      outputs: new Map([...graph.outputs].map(([name, { dtype, shape }]) => [name, { dtype, shape }])),
      operators: countOperators({ modelTopology: { model_config: file.config }, weightsManifest: [] }),
      weights: new Map(stored),
    };
  });
}

async function withName<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof TfjsError || error instanceof CheckpointError)) throw error;
    throw new TfjsError(`${path}: ${error.message}`, { cause: error });
  }
}

async function open(path: string): Promise<KerasFile> {
  const bytes = new Uint8Array(await readFile(path));
  return kerasFile(bytes);
}

/** A model from the bytes of its file, a zip archive or HDF5. They are given away, as to `readHdf5`. */
export function kerasFile(bytes: Uint8Array): Promise<KerasFile> {
  return bytes[0] === 0x50 && bytes[1] === 0x4b ? ofZip(bytes) : ofHdf5(bytes);
}

async function ofHdf5(bytes: Uint8Array): Promise<KerasFile> {
  const { arrays, texts } = await readHdf5(bytes);
  const config = texts.get("model_config");
  ensure(
    config !== undefined,
    () =>
      'it holds weights only, without the network that they belong to; save both in Python: model.save("model.keras")',
  );
  const weights = new Map<string, TensorData>();
  for (const [path, array] of arrays)
    if (path.startsWith("model_weights/")) weights.set(path.slice("model_weights/".length).replace(/:0$/, ""), array);
  return { config: parsed(config, "model_config"), producer: producerOf(texts.get("keras_version")), weights };
}

async function ofZip(bytes: Uint8Array): Promise<KerasFile> {
  const archive = inMemory(bytes);
  const entries = await readZipDirectory(archive);
  const read = async (name: string) => {
    const entry = entries.get(name);
    ensure(entry, () => `this is no model of Keras: there is no ${name} in the archive`);
    return readZipEntry(archive, entry);
  };
  const json = async (name: string) => parsed(new TextDecoder().decode(await read(name)), name);
  const config = await json("config.json");
  const { keras_version } = entries.has("metadata.json")
    ? ((await json("metadata.json")) as { keras_version?: unknown })
    : {};
  const { arrays } = await readHdf5(new Uint8Array(await read("model.weights.h5")));
  const weights = new Map<string, TensorData>();
  for (const { folder, path, names } of storedLayers(config))
    for (const [i, name] of names.entries()) {
      const array = arrays.get(`${folder}/vars/${i}`);
      if (array) weights.set(`${path}/${name}`, array);
    }
  const numbered = [...arrays.keys()].filter((name) => /(^|\/)layers\/.*\/vars\/\d+$/.test(name));
  ensure(
    weights.size >= numbered.length,
    () => `it has ${numbered.length} weights, of which ${weights.size} belong to layers that are supported`,
  );
  return { config, producer: producerOf(keras_version), weights };
}

const producerOf = (version: unknown) => (typeof version === "string" ? `Keras ${version.slice(0, 40)}` : "Keras");

function parsed(text: string, what: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch (error) {
    throw new TfjsError(`${quote(what)} is no JSON: ${(error as Error).message}`, { cause: error });
  }
  throw new TfjsError(`${quote(what)} is no JSON object`);
}
