/**
 * HDF5, in which Keras keeps weights. With a damaged file, the library that reads it may never end, so it runs in a thread that is
 * terminated when it takes too long.
 */
import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { PACKAGE } from "../../package.ts";
import { ensure, TfjsError } from "../error.ts";
import type { Hdf5, Hdf5Answer } from "./hdf5-worker.ts";

const SIGNATURE = [137, 72, 68, 70, 13, 10, 26, 10];
const isHdf5 = (bytes: Uint8Array) => SIGNATURE.every((byte, i) => bytes[i] === byte);

/** Seconds for the smallest file, and the bytes that add another second. */
const [SECONDS, BYTES] = [10, 1e6];
/** MB of JavaScript's objects in the thread, such as names in a file; numbers in arrays are not counted. */
const HEAP = 512;

/** One thread for all files, because loading the library takes longer than reading most of them. */
let thread: Promise<Worker> | undefined;
/** One file is read at a time, and none waits on the time of another. */
let turn: Promise<unknown> = Promise.resolve();

/**
 * Reads a file. The bytes are given away: their buffer is empty afterwards. Throws a TfjsError if the file is damaged, if reading it
 * takes more than `seconds`, and if h5wasm is not installed.
 */
export function readHdf5(bytes: Uint8Array, seconds = Math.ceil(SECONDS + bytes.length / BYTES)): Promise<Hdf5> {
  const reading = turn.then(() => read(bytes, seconds));
  turn = reading.catch(() => {});
  return reading;
}

async function read(bytes: Uint8Array, seconds: number): Promise<Hdf5> {
  ensure(isHdf5(bytes), () => "this is no HDF5 file");
  thread ??= start();
  const worker = await thread;
  worker.ref();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Hdf5Answer>((resolve) => {
    const error = `the HDF5 file is damaged: the HDF5 library did not finish reading it within ${seconds} s`;
    timer = setTimeout(() => resolve({ error, spent: true }), seconds * 1000);
  });
  const answered = next(worker);
  worker.postMessage(bytes, [bytes.buffer as ArrayBuffer]);
  const answer = await Promise.race([answered, late]);
  clearTimeout(timer);
  // an idle thread does not keep the process alive
  worker.unref();
  if (answer?.spent) await worker.terminate();
  return fileOf(answer)!;
}

/** A thread that has loaded the library. It is forgotten when it ends. */
async function start(): Promise<Worker> {
  try {
    const built = new URL("dist/bundle/tfjs/node/hdf5-worker.js", PACKAGE);
    if (!existsSync(built)) throw new Error("reading HDF5 from the sources needs dist/: run npm run build");
    const worker = new Worker(built, { resourceLimits: { maxOldGenerationSizeMb: HEAP } });
    worker
      .on("error", () => {})
      .on("exit", () => {
        thread = undefined;
      });
    fileOf(await next(worker));
    return worker;
  } catch (error) {
    thread = undefined;
    throw error;
  }
}

/** The next answer of a thread; an error if it ends before. */
function next(worker: Worker): Promise<Hdf5Answer> {
  return new Promise((resolve) => {
    const done = (answer: Hdf5Answer) => {
      worker.off("message", done).off("error", failed).off("exit", ended);
      resolve(answer);
    };
    const failed = ({ message }: Error) => done({ error: `the HDF5 file is damaged: ${message}`, spent: true });
    const ended = () => failed(new Error("the HDF5 library ended"));
    worker.on("message", done).on("error", failed).on("exit", ended);
  });
}

function fileOf(answer: Hdf5Answer): Hdf5 | undefined {
  if (answer && "error" in answer) throw new TfjsError(answer.error);
  return answer?.file;
}
