import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { itemSize, numel } from "../../graph/index.ts";
import { OnnxError, type OnnxFacts, type OnnxModel, pathsBeside } from "../../onnx/node/index.ts";
import { ensure, quote, TfjsError } from "../error.ts";
import {
  buildTfjs,
  countOperators,
  parseTfjs,
  producerOf,
  type ShardReader,
  type TfjsOptions,
  tfjsModel,
} from "../model.ts";
import { metadataOf } from "./metadata.ts";

/**
 * Reads a TensorFlow.js model: its model.json, and the files of weights beside it, no others. The class names of Teachable Machine, in
 * a metadata.json beside it, are read too. Throws a TfjsError that names the file where it is damaged or needs what is not supported.
 */
export async function readTfjs(path: string, options: TfjsOptions = {}): Promise<OnnxModel> {
  return withName(path, async () => {
    const model = tfjsModel(await textOf(path), shardsBeside(path), options);
    return { ...model, metadata: await metadataOf(dirname(path)) };
  });
}

/** What a TensorFlow.js model holds, without reading the numbers of its weights. Throws a TfjsError that names the file. */
export async function readTfjsFacts(path: string, options: TfjsOptions = {}): Promise<OnnxFacts> {
  return withName(path, async () => {
    const json = parseTfjs(await textOf(path));
    const { graph, declared } = buildTfjs(json, shardsBeside(path), options);
    const stored = json.weightsManifest.flatMap(({ weights }) => weights);
    const weights = stored.map(({ name, shape, dtype, quantization }) => {
      const type = quantization?.dtype ?? (dtype as "float32" | "int32" | "bool");
      const bytes = numel(shape) * (type === "uint16" ? 2 : itemSize(type));
      return [name, { dtype: type, shape, bytes }] as const;
    });
    return {
      irVersion: 0,
      opsets: {},
      producer: producerOf(json),
      graph: graph.name,
      metadata: await metadataOf(dirname(path)),
      inputs: new Map(
        graph.inputs.map(({ name, dtype, shape }) => [name, { dtype, shape: declared.get(name) ?? shape }]),
      ),
      outputs: new Map([...graph.outputs].map(([name, { dtype, shape }]) => [name, { dtype, shape }])),
      operators: countOperators(json),
      weights: new Map(weights),
    };
  });
}

/** Larger than any model.json; a graph of a thousand nodes has half a megabyte. */
const MAX_JSON = 2 ** 26;

async function textOf(path: string): Promise<string> {
  const stats = statSync(path);
  ensure(stats.isFile(), () => "it is no file");
  ensure(stats.size <= MAX_JSON, () => `it has ${stats.size} bytes; a model.json has fewer than ${MAX_JSON}`);
  return readFile(path, "utf8");
}

/** Reads files of weights in the folder of a model. */
function shardsBeside(path: string): ShardReader {
  const find = pathsBeside(path);
  return (location, size) => {
    ensure(
      !/^[a-z]+:\/\//i.test(location),
      () =>
        `its weights are at ${quote(location)}; download them into the folder of the model, and name the files in it`,
    );
    const file = find(location);
    ensure(statSync(file).isFile(), () => `${quote(location)} is no file`);
    const { size: length } = statSync(file);
    ensure(length <= size, () => `${quote(location)} has ${length} bytes, but all weights of its group take ${size}`);
    return new Uint8Array(readFileSync(file));
  };
}

async function withName<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof TfjsError || error instanceof OnnxError)) throw error;
    throw new TfjsError(`${path}: ${error.message}`, { cause: error });
  }
}

/** The model.json that a path means: a JSON file that looks like one, or the one in a folder; undefined if there is none. */
export function tfjsFile(path: string): string | undefined {
  if (!existsSync(path)) return /(^|[\\/])model\.json$/i.test(path) ? path : undefined;
  const file = statSync(path).isDirectory() ? join(path, "model.json") : path;
  if (!/\.json$/i.test(file) || !existsSync(file) || !statSync(file).isFile()) return undefined;
  const handle = openSync(file, "r");
  try {
    const { size } = fstatSync(handle);
    const start = Buffer.alloc(Math.min(size, MAX_JSON));
    readSync(handle, start, 0, start.length, 0);
    return start.includes('"modelTopology"') || start.includes('"weightsManifest"') ? file : undefined;
  } finally {
    closeSync(handle);
  }
}
