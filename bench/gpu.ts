/**
 * The GPU of this machine, through WebGPU, beside its processor: whether both compute the same, how fast they are, and which
 * operators ONNX Runtime leaves to the processor.
 *
 *     npx tsx bench/gpu.ts [--only WORD] [--steps N] [--seconds N] [--json]
 *
 * The time of a training step is the median of the second half of the steps.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Engine } from "convnets";
import { nodeEngine } from "convnets/node";
import { CASES, type Network } from "./cases.ts";
import { inference, type Measured, type Plan, training } from "./gpu/measure.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    steps: { type: "string", default: "10" },
    seconds: { type: "string", default: "1.5" },
    json: { type: "boolean", default: false },
  },
});

/** A network's cases, together. */
function planOf(network: Network): Plan {
  const cases = CASES.filter((one) => one.network === network);
  const training = cases.find(({ mode }) => mode === "train")!;
  const infer = cases.filter(({ mode }) => mode === "infer").map(({ batch }) => batch);
  return {
    network,
    size: training.size,
    infer,
    train: training.batch,
    steps: Number(values.steps),
    seconds: Number(values.seconds),
  };
}

/** How often each operator ran on the processor, and each copy between it and the GPU, in one run of what a task compiles. */
async function leftToProcessor(
  engine: Engine,
  task: (engine: Engine) => Promise<unknown>,
): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), "convnets-gpu-"));
  const profiled: Engine = {
    ...engine,
    compile: (graph, options) => engine.compile(graph, { ...options, profile: join(folder, "profile") }),
  };
  await task(profiled);
  const counts: Record<string, number> = {};
  for (const file of readdirSync(folder)) {
    const events = JSON.parse(readFileSync(join(folder, file), "utf8")) as {
      readonly cat: string;
      readonly name: string;
      readonly args?: { readonly provider?: string; readonly op_name?: string };
    }[];
    for (const { cat, name, args: { provider = "", op_name = "" } = {} } of events) {
      const isRun = cat === "Node" && name.endsWith("_kernel_time");
      if (!isRun || (provider.startsWith("WebGpu") && !op_name.startsWith("Memcpy"))) continue;
      counts[op_name] = (counts[op_name] ?? 0) + 1;
    }
  }
  rmSync(folder, { recursive: true });
  return counts;
}

const relative = (a: readonly number[], b: readonly number[]) => {
  const largest = b.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  return a.reduce((apart, value, i) => Math.max(apart, Math.abs(value - b[i]!)), 0) / largest;
};

/** A network on the GPU and on the processor. */
async function compared(network: Network) {
  const plan = planOf(network);
  const measured: Measured[] = [];
  for (const engine of [gpu, cpu])
    measured.push({ ...(await inference(engine, plan)), ...(await training(engine, plan)) });
  const [onGpu, onCpu] = measured as [Measured, Measured];
  const once = { ...plan, infer: [], steps: 1 };
  return {
    plan,
    /** Largest differences, as shares of the largest number. */
    apart: { outputs: relative(onGpu.outputs, onCpu.outputs), losses: relative(onGpu.losses, onCpu.losses) },
    gpu: { ...onGpu, outputs: undefined },
    cpu: { ...onCpu, outputs: undefined },
    left: {
      inference: await leftToProcessor(gpu, (engine) => inference(engine, once)),
      training: await leftToProcessor(gpu, (engine) => training(engine, once)),
    },
  };
}

const [gpu, cpu] = [nodeEngine({ device: "webgpu" }), nodeEngine()];
const rate = (batch: number, time: number) => `${((batch / time) * 1000).toFixed(0)} images/s`;

for (const network of new Set(CASES.map(({ network }) => network))) {
  if (!network.includes(values.only)) continue;
  const result = await compared(network);
  if (values.json) {
    console.log(JSON.stringify(result));
    continue;
  }
  const { plan, apart, gpu, cpu, left } = result;
  console.log(`${network}, ${plan.size} pixels`);
  console.log(
    `  outputs ${apart.outputs.toExponential(1)} apart, losses of ${plan.steps} steps ${apart.losses.toExponential(1)}`,
  );
  for (const batch of plan.infer) {
    const [onGpu, onCpu] = [gpu, cpu].map(({ infer }) => rate(batch, infer[batch]!));
    console.log(`  inference, batch ${batch}: ${onGpu}, processor ${onCpu}`);
  }
  console.log(
    `  training, batch ${plan.train}: ${rate(plan.train, gpu.step)}, processor ${rate(plan.train, cpu.step)}`,
  );
  console.log(`  first step after ${(gpu.firstStep / 1000).toFixed(1)} s`);
  console.log(`  left to the processor: ${JSON.stringify(left)}`);
}
process.exit(0);
