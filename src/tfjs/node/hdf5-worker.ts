/** A worker thread that reads HDF5 files with h5wasm, which is loaded here only: one file after the other. */
import { type MessagePort, parentPort } from "node:worker_threads";
import { numel, type TensorData, tensor } from "../../graph/index.ts";
import { ensure, quote, TfjsError } from "../error.ts";

/** What a file holds. */
export interface Hdf5 {
  /** All arrays of numbers, by their paths. */
  readonly arrays: ReadonlyMap<string, TensorData>;
  /** Texts of the file itself, such as "model_config". */
  readonly texts: ReadonlyMap<string, string>;
}

/** What the thread says: `null` when the library is loaded, then one answer to the bytes of each file. */
export type Hdf5Answer = null | (({ readonly file: Hdf5 } | { readonly error: string }) & { readonly spent: boolean });

type Library = typeof import("h5wasm");
type Group = InstanceType<Library["Group"]>;
type FileSystem = Awaited<Library["ready"]>["FS"];

/** Groups and arrays of a file, and how deep they lie; models of thousands of layers have fewer. */
const [MAX_MEMBERS, MAX_DEPTH] = [100_000, 40];
/** Arrays of zeros may be left out of a file, and others deflated. */
const MAX_RATIO = 1032;
/** Bytes that the library may take for the smallest file, and above which the next file gets a new thread, as it frees none. */
const [BASE, KEEP] = [2 ** 26, 2 ** 28];

let limit = Number.POSITIVE_INFINITY;
const { grow } = WebAssembly.Memory.prototype;
WebAssembly.Memory.prototype.grow = function (pages) {
  // an allocation of the library fails
  if (this.buffer.byteLength + pages * 2 ** 16 > limit) throw new RangeError("too much memory");
  return grow.call(this, pages);
};

const port = parentPort;
if (!port) throw new Error("this module runs in a worker thread; use readHdf5");
const library = await import("h5wasm").catch(() => undefined);
if (library) await serve(library, port);
else {
  const error = "Keras' files are HDF5, which the package h5wasm reads; install it: npm install h5wasm";
  port.postMessage({ error, spent: true } satisfies Hdf5Answer);
}

async function serve(library: Library, port: MessagePort): Promise<void> {
  const module = await library.ready;
  const size = () => module.HEAPU8.length;
  port.on("message", (bytes: Uint8Array) => {
    limit = size() + BASE + bytes.length * MAX_RATIO;
    try {
      const file = readFile(library, module.FS, bytes);
      const buffers = [...file.arrays.values()].map(({ data }) => data.buffer as ArrayBuffer);
      port.postMessage({ file, spent: size() > KEEP } satisfies Hdf5Answer, buffers);
    } catch (error) {
      const { message, cause } = error as Error;
      const spent = size() > KEEP || cause instanceof WebAssembly.RuntimeError;
      port.postMessage({ error: message, spent } satisfies Hdf5Answer);
    }
  });
  port.postMessage(null satisfies Hdf5Answer);
}

let opened = 0;

/** Reads a file. It cannot refer to others: the library sees nothing but these bytes. Throws a TfjsError if it is damaged. */
function readFile(library: Library, FS: FileSystem, bytes: Uint8Array): Hdf5 {
  const said = listen(FS);
  // a file that could not be closed is still open in the library
  const name = `${opened++}.h5`;
  // as it is, without a copy
  FS.writeFile(name, bytes, { canOwn: true } as object);
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
  const [INTEGER, FLOAT] = [0, 1];
  const walk = (group: Group, path: string, depth: number) => {
    ensure(depth <= MAX_DEPTH, () => `its groups lie more than ${MAX_DEPTH} deep`);
    for (const key of group.keys()) {
      ensure(++members <= MAX_MEMBERS, () => `it has more than ${MAX_MEMBERS} members`);
      const child = group.get(key);
      const at = `${path}${key}`;
      if (child instanceof library.Group) walk(child, `${at}/`, depth + 1);
      else if (child instanceof library.Dataset) {
        const { type, size, shape } = child.metadata;
        // not texts, of which many may stand for one in the file
        if (type !== INTEGER && type !== FLOAT) continue;
        total += numel(shape ?? []) * size;
        ensure(total <= length * MAX_RATIO, () => `${length} bytes cannot hold the ${total} that it claims`);
        ensure(type === INTEGER || size === 4 || size === 8, () => tooSmall(at, size));
        const array = arrayOf(at, shape ?? [], child.value);
        if (array) arrays.set(at, array);
      }
    }
  };
  walk(file, "", 0);
  return arrays;
}

const tooSmall = (path: string, size: number) =>
  `the array ${quote(path)} is float${8 * size}, which h5wasm does not read; save the model with float32 weights`;

/** Numbers as a tensor; undefined for integers that are no weights. */
function arrayOf(path: string, shape: readonly number[], value: unknown): TensorData | undefined {
  if (typeof value === "number") return tensor("float32", [], Float32Array.of(value));
  if (value instanceof Float32Array || value instanceof Float64Array || value instanceof Int32Array) {
    ensure(value.length === numel(shape), () => `the array ${quote(path)} has ${value.length} numbers, not [${shape}]`);
    return tensor("float32", shape, value instanceof Float32Array ? value : Float32Array.from(value));
  }
  return undefined;
}
