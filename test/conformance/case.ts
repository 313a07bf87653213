/** What cases of the suite are made of: nothing here needs a test runner. */
import { Graph, type TensorData, type Value } from "../../src/graph/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { type DeviceTensor, type Engine, EngineError, type Executable } from "../../src/runtime/engine.ts";

/** How an implementation is set up and measured. */
export interface Setting {
  engine(options?: { threads?: number }): Promise<Engine>;
  /** Numbers of threads that engines can be made with here; or why they mean nothing. */
  readonly threadCounts: readonly number[] | string;
  /** Begins to count threads that compute: the function tells how many there are; or why that cannot be told. */
  countThreads(): (() => number) | string;
  /** Bytes held by engines and their tensors, after garbage was collected; or why that cannot be told. */
  memory(): Promise<number> | string;
  /** Bytes copied out of the engine's memory so far; or why there are none. */
  readBack(): number | string;
}

export interface Case {
  readonly name: string;
  /** Throws where the engine fails, and a Skip where the case does not apply. */
  run(setting: Setting): Promise<void>;
}

/** Thrown by a case that does not apply; the message is the reason. */
class Skip extends Error {
  override name = "Skip";
}

/** Runs one case; returns why it was skipped, if it was. */
export async function attempt({ run }: Case, setting: Setting): Promise<string | undefined> {
  try {
    await run(setting);
    return undefined;
  } catch (error) {
    if (error instanceof Skip) return error.message;
    throw error;
  }
}

export function assert(condition: unknown, message: () => string): asserts condition {
  if (!condition) throw new Error(message());
}

export function assertClose(
  given: ArrayLike<number>,
  wanted: readonly number[],
  tolerance: number,
  what: string,
): void {
  assert(given.length === wanted.length, () => `${what}: ${given.length} numbers instead of ${wanted.length}`);
  const largest = Math.max(...wanted.map(Math.abs));
  for (const [i, value] of wanted.entries()) {
    const close = Math.abs(given[i]! - value) <= tolerance * largest;
    assert(close, () => `${what}: number ${i} is ${given[i]}, not ${value}`);
  }
}

export const assertEqual = (given: ArrayLike<number>, wanted: readonly number[], what: string) =>
  assertClose(given, wanted, 1e-6, what);

/** Demands an EngineError whose message says all of these. */
export async function assertFails(attempt: () => Promise<unknown>, ...words: string[]): Promise<void> {
  const error = await attempt().then(
    () => undefined,
    (error: unknown) => error,
  );
  assert(error instanceof EngineError, () => `expected an EngineError about ${words.join(", ")}, got ${error}`);
  for (const word of words)
    assert(error.message.includes(word), () => `the error does not say "${word}": ${error.message}`);
}

export function measured<T>(value: T | string): T {
  if (typeof value === "string") throw new Skip(value);
  return value;
}

export const numbers = async (tensor: DeviceTensor | undefined) => Array.from((await tensor!.read()).data, Number);

export const floats = (shape: readonly number[], data: readonly number[]): TensorData => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(data),
});

/** Uses an executable, and gives it back whatever happens. */
export async function using<T>(compiled: Promise<Executable>, use: (executable: Executable) => Promise<T>): Promise<T> {
  const executable = await compiled;
  try {
    return await use(executable);
  } finally {
    await executable.dispose();
  }
}

export async function repeat(count: number, task: (i: number) => Promise<void>): Promise<void> {
  for (let i = 0; i < count; i++) await task(i);
}

/** A graph over x [N, width] with one output y. */
export function unary(width: number, build: (g: Ops, x: Value) => Value): Graph {
  const graph = new Graph("unary");
  graph.output("y", build(new Ops(graph), graph.input("x", "float32", ["N", width])));
  return graph;
}
