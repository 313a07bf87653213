/**
 * Checks of any differentiable computation: its shapes, its numbers and gradients against PyTorch in float64, its gradients
 * against finite differences, and one graph for every batch.
 */
import fc from "fast-check";
import { expect } from "vitest";
import { type Dim, type Shape, type TensorData, tensor } from "../../src/graph/index.ts";
import { Identity, type Tensor, Tracer } from "../../src/nn/index.ts";
import type { Target } from "../../src/operators/index.ts";
import { differentiate } from "../../src/passes/index.ts";
import type { Executable } from "../../src/runtime/engine.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Draw } from "./draw.ts";
import { type Case, expectClose, type Family, numbers, RUNS, SEED } from "./family.ts";
import { pythonSkipReason } from "./python.ts";
import { type Answer, torch } from "./torch.ts";

/** Largest difference from PyTorch, as a share of the largest element (or of 0.1 where that is smaller). */
const FORWARD_TOLERANCE = 1e-5;
const GRADIENT_TOLERANCE = 1e-4;
/** Step of finite differences, and their error as a share of the gradient's norm and of the rounding of the outputs. */
const STEP = 0.01;
const DIFFERENCE_TOLERANCE = 0.01;
const ROUNDING = 3e-6;

const engine = nodeEngine({ threads: 1 });
const withTorch = pythonSkipReason("torch") === undefined;

/** Draws geometries and checks each, with a batch of 2, or with a named batch size at 1 and 3. */
export async function checkFamily({ geometry, at }: Family, runs = RUNS): Promise<void> {
  // the spellings for WebGPU run on CPUs as well
  const target = fc.constantFrom<Target>("cpu", "webgpu", "webgpu-emulated");
  const drawn = fc.record({ geometry, symbolic: fc.boolean(), target, seed: fc.nat() });
  await fc.assert(
    fc.asyncProperty(drawn, async ({ geometry, symbolic, target, seed }) => {
      const named = symbolic && at(geometry, 1, new Draw(seed)).batched?.length !== 0;
      const batches = named ? [1, 3] : [2];
      const cases = batches.map((batch) => at(geometry, batch, new Draw(seed)));
      const compiled = await compile(cases[0]!, named, target);
      try {
        for (const [i, batch] of batches.entries()) await checkCase(compiled, cases[i]!, batch, new Draw(seed + 1));
      } finally {
        await compiled.executable.dispose();
      }
    }),
    { numRuns: runs, seed: SEED },
  );
}

interface Compiled {
  readonly executable: Executable;
  readonly outputs: readonly Tensor[];
  readonly wrt: readonly number[];
}

/** The graph y0, y1, … of the inputs, and the gradients dx0, dx1, … of Σ w·y where w0, w1, … are inputs too. */
async function compile(
  { inputs, batched = [0], wrt = [0], build }: Case,
  symbolic: boolean,
  target: Target,
): Promise<Compiled> {
  const tracer = new Tracer(new Identity(), { target });
  const x = inputs.map(({ shape, dtype }, i) => {
    const named = symbolic && batched.includes(i);
    return tracer.input(`x${i}`, named ? ["N", ...shape.slice(1)] : shape, dtype);
  });
  const built = build(x);
  const outputs = Array.isArray(built) ? (built as readonly Tensor[]) : [built as Tensor];
  const weighted = outputs.map((y, i) => {
    tracer.graph.output(`y${i}`, y.value);
    return wrt.length > 0 ? y.mul(tracer.input(`w${i}`, y.shape)).sum() : y;
  });
  if (wrt.length === 0) return { executable: await engine.compile(tracer.graph), outputs, wrt };
  const loss = weighted.reduce((sum, term) => sum.add(term));
  const values = wrt.map((i) => x[i]!.value);
  const { graph, gradients } = differentiate(tracer.graph, loss.value, values, { target });
  for (const [i, value] of values.entries()) graph.output(`dx${wrt[i]}`, gradients.get(value)!);
  return { executable: await engine.compile(graph), outputs, wrt };
}

async function checkCase(compiled: Compiled, example: Case, batch: number, draw: Draw): Promise<void> {
  const { executable, outputs, wrt } = compiled;
  const weights = wrt.length > 0 ? outputs.map(({ shape }) => draw.uniform(sizes(shape, batch), 0.5, 1.5)) : [];
  const feeds = {
    ...Object.fromEntries(example.inputs.map((x, i) => [`x${i}`, x])),
    ...Object.fromEntries(weights.map((w, i) => [`w${i}`, w])),
  };
  const results = await run(executable, feeds);
  const y = outputs.map((_, i) => results[`y${i}`]!);
  for (const [i, { shape, value }] of outputs.entries()) {
    expect(y[i]!.shape, "the inferred shape").toEqual(sizes(shape, batch));
    expect(y[i]!.dtype, "the inferred type").toBe(value.dtype);
  }
  const gradients = wrt.map((i) => results[`dx${i}`]!);
  for (const [k, i] of wrt.entries()) expect(gradients[k]!.shape).toEqual(example.inputs[i]!.shape);
  if (withTorch) {
    const { inputs, torch: expression } = example;
    compareWithTorch(y, gradients, await torch.ask({ expression, inputs, wrt, weights }));
  }
  if (example.smooth === false) return;
  for (const [k, i] of wrt.entries()) {
    const { shape } = example.inputs[i]!;
    const direction = numbers(draw.integers(shape, 0, 1)).map((bit) => 2 * bit - 1);
    const at = async (step: number) => {
      const moved = numbers(example.inputs[i]!).map((value, j) => value + step * direction[j]!);
      const wanted = outputs.map((_, j) => `y${j}`);
      const there = { ...feeds, [`x${i}`]: tensor("float32", shape, Float32Array.from(moved)) };
      const moves = await run(executable, there, wanted);
      return wanted.flatMap((name, j) => products(moves[name]!, weights[j]!));
    };
    const [ahead, behind] = [await at(STEP), await at(-STEP)];
    const slope = ahead.reduce((sum, value, j) => sum + value - behind[j]!, 0) / (2 * STEP);
    const dx = numbers(gradients[k]!);
    const expected = dx.reduce((sum, value, j) => sum + value * direction[j]!, 0);
    const allowed = DIFFERENCE_TOLERANCE * norm(dx) + (ROUNDING / STEP) * norm(ahead);
    expect(Math.abs(expected - slope), `finite difference ${slope} along x${i}, gradient ${expected}`).toBeLessThan(
      allowed + 1e-12,
    );
  }
}

function compareWithTorch(y: readonly TensorData[], gradients: readonly TensorData[], reference: Answer): void {
  for (const [i, wanted] of reference.outputs.entries()) expectClose(y[i]!, wanted, FORWARD_TOLERANCE, `output ${i}`);
  expect(y.length).toBe(reference.outputs.length);
  for (const [i, wanted] of reference.gradients.entries())
    expectClose(gradients[i]!, wanted, GRADIENT_TOLERANCE, `gradient ${i}`);
}

async function run(executable: Executable, feeds: Readonly<Record<string, TensorData>>, outputs?: readonly string[]) {
  const results = await executable.run(feeds, outputs ? { outputs } : {});
  const read = Object.entries(results).map(async ([name, value]) => [name, await value.read()] as const);
  return Object.fromEntries(await Promise.all(read));
}

const products = (y: TensorData, w: TensorData) => numbers(y).map((value, i) => value * Number(w.data[i]));
const norm = (values: readonly number[]) => Math.hypot(...values);

/** A shape with the batch put in for "N", in products too. */
export function sizes(shape: Shape, batch: number): number[] {
  const size = (dim: Dim) =>
    typeof dim === "number"
      ? dim
      : dim.split("*").reduce((total, part) => total * (part === "N" ? batch : Number(part)), 1);
  return shape.map(size);
}
