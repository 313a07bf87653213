/**
 * The thread that calls MPI, all calls from here. ONNX Runtime's run() blocks the main thread; meanwhile messages move on, and the other
 * ranks learn that this one lives.
 */
import { writeSync } from "node:fs";
import { hostname } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import type { Launch } from "./launcher.ts";
import { loadKoffi, loadMpi, type Request } from "./library.ts";
import { memory, type SumTask, summer } from "./sums.ts";

/** What the main thread asks for. */
export type Task =
  | SumTask
  | { readonly do: "gather"; readonly bytes: Uint8Array }
  | { readonly do: "broadcast"; readonly bytes: Uint8Array }
  | { readonly do: "barrier" }
  | { readonly do: "abort"; readonly code: number }
  | { readonly do: "close" };
export type Question = Task & { readonly id: number };
export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}
/** The first message. */
export interface Joined {
  readonly rank: number;
  readonly size: number;
  readonly hosts: readonly string[];
  readonly library: string;
}

/** Bytes that every rank sends in a gather, longer values in a second round. */
const SHORT = 1024;
/** Most bytes of one message. */
const LONGEST = 2 ** 30;
/** ms of waiting without progress after which the thread naps between its looks. */
const EAGER = 0.5;
const NAP = 0.2;
/** ms between signs of life, and of silence after which a rank counts as dead. */
const BEAT = 500;
const SILENCE = 7000;
/** Seconds after which a process that cannot end by MPI ends anyway. */
const LAST_RESORT = 3;

const koffi = await loadKoffi();
const mpi = loadMpi(koffi, (workerData as Launch).by);
mpi.init();
const [rank, size] = [mpi.rank(), mpi.size()];
// messages of each kind stay among themselves
const [collectives, sums, beats] = [mpi.duplicate(), mpi.duplicate(), mpi.duplicate()];

// Waiting

/** `memory` is what MPI reads or writes meanwhile: it only knows the address, so the garbage collector has to be kept from it. */
const waiting = new Set<{
  readonly request: Request;
  readonly memory: readonly unknown[];
  readonly done: () => void;
}>();
const nap = new Int32Array(new SharedArrayBuffer(4));
let progress = 0;

function look(): void {
  for (const one of waiting) {
    if (!mpi.test(one.request)) continue;
    waiting.delete(one);
    one.done();
    progress = performance.now();
  }
  if (performance.now() - progress > EAGER) Atomics.wait(nap, 0, 0, NAP);
  if (waiting.size > 0) setImmediate(look);
}

/** Until all requests are done; keeps `memory` so long. */
async function all(requests: readonly Request[], ...memory: unknown[]): Promise<void> {
  const pending = requests.map(
    (request) =>
      new Promise<void>((done) => {
        if (waiting.size === 0) {
          progress = performance.now();
          setImmediate(look);
        }
        waiting.add({ request, memory, done });
      }),
  );
  await Promise.all(pending);
}

// Values

async function gather(bytes: Uint8Array): Promise<Uint8Array[]> {
  const exchange = async (own: Uint8Array, each: number) => {
    const from = memory(each);
    from.set(own.subarray(0, each));
    const into = memory(each * size);
    await all([mpi.iallGather(koffi.address(from), each, koffi.address(into), collectives)], from, into);
    return Array.from({ length: size }, (_, i) => into.subarray(i * each, (i + 1) * each));
  };
  const own = memory(4 + bytes.length);
  new DataView(own.buffer).setUint32(0, bytes.length);
  own.set(bytes, 4);
  const lengthOf = (block: Uint8Array) => 4 + new DataView(block.buffer, block.byteOffset).getUint32(0);
  let blocks = await exchange(own, SHORT);
  const longest = Math.max(...blocks.map(lengthOf));
  if (longest > SHORT) blocks = await exchange(own, longest);
  return blocks.map((block) => block.slice(4, lengthOf(block)));
}

async function broadcast(bytes: Uint8Array): Promise<Uint8Array> {
  const send = (at: Uint8Array) => all([mpi.ibroadcast(koffi.address(at), at.length, collectives)], at);
  const head = memory(8);
  const length = new DataView(head.buffer);
  length.setFloat64(0, bytes.length);
  await send(head);
  const body = memory(length.getFloat64(0));
  if (rank === 0) body.set(bytes);
  for (let start = 0; start < body.length; start += LONGEST) await send(body.subarray(start, start + LONGEST));
  return body;
}

const hosts = (await gather(new TextEncoder().encode(hostname()))).map((bytes) => new TextDecoder().decode(bytes));

// Sums

const sum = summer({ koffi, mpi, comm: sums, rank, hosts, all });

// Life and death

const sign = memory(8);
const heard = memory(8);
const [after, before] = [(rank + 1) % size, (rank + size - 1) % size];
let received = mpi.ireceive(koffi.address(heard), 1, before, 0, beats);
let sent: Request | undefined;
let last = performance.now();
let looked = last;

const heart = setInterval(() => {
  if (sent === undefined || mpi.test(sent)) sent = mpi.isend(koffi.address(sign), 1, after, 0, beats);
  const now = performance.now();
  // this process itself was stopped, and knows nothing
  if (now - looked > SILENCE / 2) last = now;
  looked = now;
  while (mpi.test(received)) {
    last = now;
    received = mpi.ireceive(koffi.address(heard), 1, before, 0, beats);
  }
  if (now - last < SILENCE) return;
  const silence = ((now - last) / 1000).toFixed(0);
  writeSync(
    2,
    `error: rank ${before} on ${hosts[before]} has been silent for ${silence} s: its process or the network is gone. Rank ${rank} on ${hosts[rank]} stops all ranks; the last checkpoint is good\n`,
  );
  abort(1);
}, BEAT);

function abort(code: number): void {
  koffi.load(null).func("unsigned int alarm(unsigned int seconds)")(LAST_RESORT);
  mpi.abort(code);
}

async function close(): Promise<void> {
  await all([mpi.ibarrier(collectives)]);
  clearInterval(heart);
  mpi.cancel(received);
  await all([received]);
  mpi.finalize();
}

// Questions

/** Every rank has to begin its collectives in the same order, one after the other. */
let turn: Promise<unknown> = Promise.resolve();
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const result = turn.then(work);
  turn = result.catch(() => {});
  return result;
}

function answerTo(task: Task): Promise<unknown> {
  switch (task.do) {
    case "sum":
      return sum(task);
    case "gather":
      return inTurn(() => gather(task.bytes));
    case "broadcast":
      return inTurn(() => broadcast(task.bytes));
    case "barrier":
      return inTurn(() => all([mpi.ibarrier(collectives)]));
    case "abort":
      return Promise.resolve(abort(task.code));
    case "close":
      return inTurn(close);
    default:
      return task satisfies never;
  }
}

const port = parentPort!;
port.on("message", (question: Question) => {
  answerTo(question).then(
    (value) => {
      port.postMessage({ id: question.id, value } satisfies Answer);
      if (question.do === "close") port.close();
    },
    (error: Error) => port.postMessage({ id: question.id, error: error.message } satisfies Answer),
  );
});
port.postMessage({ rank, size, hosts, library: mpi.name } satisfies Joined);
