/** Files that hold a whole network, in whichever format: .onnx, a model.json of TensorFlow.js, or a model of Keras. */
import { basename, dirname, extname } from "node:path";
import type { Shape } from "../../graph/index.ts";
import { type OnnxFacts, type OnnxModel, OnnxModule, readOnnx, readOnnxFacts } from "../../onnx/node/index.ts";
import { ensure } from "../error.ts";
import { readTfjs, readTfjsFacts, tfjsFile } from "./files.ts";
import { imageModule } from "./image-module.ts";
import { isKeras, readKeras, readKerasFacts } from "./keras-files.ts";

/** How a network is read from a file. */
export interface ImportOptions {
  /** Other shapes for inputs, by name, as [N, C, H, W]. */
  inputs?: Readonly<Record<string, Shape>>;
  /** Quantized .onnx networks in real numbers. */
  dequantize?: boolean;
  /** As a module for images [N, C, H, W], also if the file takes [N, H, W, C] or flat vectors. */
  images?: boolean;
}

/** Whether a path names a file, or the folder of one, that holds a whole network. */
export const isImported = (path: string): boolean => isOnnx(path) || isKeras(path) || tfjsFile(path) !== undefined;

const isOnnx = (path: string) => extname(path).toLowerCase() === ".onnx";

/** The graph and the weights of such a file. */
export async function readImported(path: string, options: ImportOptions = {}): Promise<OnnxModel> {
  const { images: _, ...others } = options;
  const { inputs } = others;
  if (isKeras(path)) return readKeras(path, inputs ? { inputs } : {});
  const model = tfjsFile(path);
  if (model === undefined) return readOnnx(path, { ...others, fold: false });
  return readTfjs(model, inputs ? { inputs } : {});
}

/** What such a file holds, without its numbers. */
export async function readImportedFacts(path: string): Promise<OnnxFacts> {
  if (isKeras(path)) return readKerasFacts(path);
  const model = tfjsFile(path);
  return model === undefined ? readOnnxFacts(path) : readTfjsFacts(model);
}

/**
 * A network from a TensorFlow.js model, to look at, evaluate and train like any other: its model.json, or the folder of it. It is called
 * after the file, or after its folder if the file is only called "model". Throws a TfjsError that names the file.
 */
export async function readTfjsModule(path: string, options: Pick<ImportOptions, "inputs"> = {}): Promise<OnnxModule> {
  ensure(tfjsFile(path) !== undefined, () => `${path} is no model.json of TensorFlow.js`);
  return readImportedModule(path, options);
}

/** The network in such a file, called after it. */
export async function readImportedModule(path: string, options: ImportOptions = {}): Promise<OnnxModule> {
  const name = basename(path, extname(path));
  const isCommon = /^model$/i.test(name) && !isOnnx(path);
  const called = { name: isCommon ? basename(dirname(path)) || name : name };
  const read = await readImported(path, options);
  return options.images ? imageModule(read, called) : new OnnxModule(read, called);
}
