/** HDF5, in which Keras keeps weights: what is in a file, read by h5wasm, which is loaded here only. */
import { numel, type TensorData, tensor } from "../../graph/index.ts";
import { ensure, quote, TfjsError } from "../error.ts";

/** What a file holds. */
export interface Hdf5 {
  /** All arrays of numbers, by their paths. */
  readonly arrays: ReadonlyMap<string, TensorData>;
  /** Texts of the file itself, such as "model_config". */
  readonly texts: ReadonlyMap<string, string>;
}

type Library = typeof import("h5wasm");
type Group = InstanceType<Library["Group"]>;

async function loadLibrary(): Promise<Library> {
  try {
    return await import("h5wasm");
  } catch (error) {
    throw new TfjsError("Keras' files are HDF5, which the package h5wasm reads; install it: npm install h5wasm", {
      cause: error,
    });
  }
}

/** Groups and arrays of a file, and how deep they lie; models of thousands of layers have fewer. */
const [MAX_MEMBERS, MAX_DEPTH] = [100_000, 40];
/** Arrays of zeros may be left out of a file, and others deflated. */
const MAX_RATIO = 1032;

let opened = 0;

const SIGNATURE = [137, 72, 68, 70, 13, 10, 26, 10];
const isHdf5 = (bytes: Uint8Array) => SIGNATURE.every((byte, i) => bytes[i] === byte);

/** Reads a file. It cannot refer to others: the library sees nothing but these bytes. Throws a TfjsError if it is damaged. */
export async function readHdf5(bytes: Uint8Array): Promise<Hdf5> {
  ensure(isHdf5(bytes), () => "this is no HDF5 file");
  const library = await loadLibrary();
  const { FS } = await library.ready;
  const said = listen(FS);
  // a file that could not be closed is still open in the library
  const name = `${opened++}.h5`;
  FS.writeFile(name, bytes);
  let file: InstanceType<Library["File"]> | undefined;
  try {
    file = new library.File(name, "r");
    if (Number(file.file_id) < 0) throw new Error("it cannot be opened");
    const texts = new Map<string, string>();
    for (const [key, { value }] of Object.entries(file.attrs)) if (typeof value === "string") texts.set(key, value);
    return { arrays: arraysIn(file, library, bytes.length), texts };
  } catch (error) {
    if (error instanceof TfjsError) throw error;
    throw new TfjsError(`the HDF5 file is damaged: ${reasonOf(error, said)}`, { cause: error });
  } finally {
    closeQuietly(file);
    FS.unlink(name);
  }
}

function closeQuietly(file: { close(): unknown } | undefined): void {
  try {
    file?.close();
  } catch {
    // of a damaged file
  }
}

interface Stream {
  stream_ops: object;
}

/** Where HDF5 reports errors, on the library's stderr, which is not for people. */
function listen(FS: object): { text: string } {
  const said = { text: "" };
  const [, , stream] = (FS as { readonly streams: readonly Stream[] }).streams as [Stream, Stream, Stream];
  const write = (_stream: unknown, buffer: ArrayLike<number>, offset: number, length: number) => {
    if (said.text.length < MAX_SAID)
      for (let i = offset; i < offset + length; i++) said.text += String.fromCharCode(buffer[i]!);
    return length;
  };
  stream.stream_ops = { ...stream.stream_ops, write };
  return said;
}

/** Characters of a report. */
const MAX_SAID = 20_000;

/** The innermost line of HDF5's first report. */
function reasonOf(error: unknown, said: { readonly text: string }): string {
  const [, first = ""] = said.text.split("HDF5-DIAG");
  const inner = first.split("\n").findLast((line) => /^\s*#\d+:/.test(line));
  return (inner?.replace(/^.*\(\): /, "") ?? String((error as Error).message ?? error)).slice(0, 200);
}

function arraysIn(file: Group, library: Library, length: number): Map<string, TensorData> {
  const arrays = new Map<string, TensorData>();
  let [members, total] = [0, 0];
  const walk = (group: Group, path: string, depth: number) => {
    ensure(depth <= MAX_DEPTH, () => `its groups lie more than ${MAX_DEPTH} deep`);
    for (const key of group.keys()) {
      ensure(++members <= MAX_MEMBERS, () => `it has more than ${MAX_MEMBERS} members`);
      const child = group.get(key);
      const at = `${path}${key}`;
      if (child instanceof library.Group) walk(child, `${at}/`, depth + 1);
      else if (child instanceof library.Dataset) {
        const shape = child.shape ?? [];
        total += numel(shape) * 4;
        ensure(total <= length * MAX_RATIO, () => `${length} bytes cannot hold the ${total} that it claims`);
        const array = arrayOf(at, shape, child.value);
        if (array) arrays.set(at, array);
      }
    }
  };
  walk(file, "", 0);
  return arrays;
}

/** Numbers as a tensor; undefined for texts. */
function arrayOf(path: string, shape: readonly number[], value: unknown): TensorData | undefined {
  if (typeof value === "number") return tensor("float32", [], Float32Array.of(value));
  if (value instanceof Float32Array || value instanceof Float64Array || value instanceof Int32Array) {
    ensure(value.length === numel(shape), () => `the array ${quote(path)} has ${value.length} numbers, not [${shape}]`);
    return tensor("float32", shape, value instanceof Float32Array ? value.slice() : Float32Array.from(value));
  }
  return undefined;
}
