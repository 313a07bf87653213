/** Everything of index.ts, and files: models with weights in other files beside them. */
import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative } from "node:path";
import { type DecodeOptions, decode, type OnnxModel } from "../decode.ts";
import { OnnxError, quote } from "../error.ts";
import { type OnnxFacts, onnxFacts } from "../facts.ts";
import { OnnxModule, type OnnxModuleOptions } from "../module.ts";
import type { ExternalResolver } from "../tensor.ts";

/** Reads an .onnx file. Throws an OnnxError that names the file where it is damaged or needs what is not supported. */
export async function readOnnx(path: string, options: Omit<DecodeOptions, "external"> = {}): Promise<OnnxModel> {
  const bytes = await readFile(path);
  try {
    return decode(bytes, { ...options, external: filesBeside(path) });
  } catch (error) {
    throw error instanceof OnnxError ? new OnnxError(`${path}: ${error.message}`, { cause: error }) : error;
  }
}

/** What an .onnx file holds, without reading its weights: quick for files of any size. Throws an OnnxError that names the file. */
export function readOnnxFacts(path: string): OnnxFacts {
  if (!statSync(path).isFile()) throw new OnnxError(`${path} is no file`);
  const file = openSync(path, "r");
  try {
    return onnxFacts({ size: fstatSync(file).size, read: (offset, length) => readAll(file, offset, length, path) });
  } catch (error) {
    throw error instanceof OnnxError ? new OnnxError(`${path}: ${error.message}`, { cause: error }) : error;
  } finally {
    closeSync(file);
  }
}

/** A network from an .onnx file, to look at, evaluate and train like any other. It is called after the file. */
export async function readOnnxModule(
  path: string,
  {
    name = basename(path, ".onnx"),
    ...options
  }: OnnxModuleOptions & Omit<DecodeOptions, "fold" | "batch" | "external"> = {},
): Promise<OnnxModule> {
  return new OnnxModule(await readOnnx(path, { ...options, fold: false }), { name });
}

/** Reads from files in the folder of a model, and from no others, whatever the model says. */
export function filesBeside(model: string): ExternalResolver {
  const find = pathsBeside(model);
  return ({ location, offset, length }) => readPart(find(location), offset, length, location);
}

/** Finds files in the folder of a model. Throws an OnnxError for a location that leads out of it, or where there is no file. */
export function pathsBeside(model: string): (location: string) => string {
  const folder = realpathSync(dirname(model));
  return (location) => {
    const parts = location.split(/[\\/]/);
    if (isAbsolute(location) || /^[A-Za-z]:/.test(location) || location.includes("\0") || parts.includes("..")) {
      throw new OnnxError(`${quote(location)} leads out of the folder of the model; weights have to lie beside it`);
    }
    const file = real(join(folder, location), location);
    // a link may lead elsewhere too
    const inside = relative(folder, file);
    if (inside === "" || isAbsolute(inside) || inside.split(/[\\/]/)[0] === "..") {
      throw new OnnxError(`${quote(location)} leads out of the folder of the model; weights have to lie beside it`);
    }
    return file;
  };
}

function real(path: string, location: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw new OnnxError(`the file ${quote(location)}, which has weights of the model, is not beside it`, {
      cause: error,
    });
  }
}

function readPart(path: string, offset: number, length: number, location: string): Uint8Array {
  // opening a pipe would wait for its other end
  if (!statSync(path).isFile()) throw new OnnxError(`${quote(location)} is no file`);
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    if (offset + length > size) {
      throw new OnnxError(
        `${quote(location)} has ${size} bytes, but the weights are said to lie at ${offset} to ${offset + length}; it belongs to another model, or is cut short`,
      );
    }
    return readAll(file, offset, length, quote(location));
  } finally {
    closeSync(file);
  }
}

function readAll(file: number, offset: number, length: number, name: string): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const count = readSync(file, bytes, done, length - done, offset + done);
    if (count === 0) throw new OnnxError(`${name} has become shorter`);
    done += count;
  }
  return bytes;
}
