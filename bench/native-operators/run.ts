/**
 * A network's training step on native operators.
 *
 *     npx tsx bench/native-operators/run.ts googlenet --batch-size 16 --side 224 --steps 10 --threads 2 [--check | --compare]
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { createModel, oneHot } from "convnets";
import { pictures } from "../peers/protocol.mjs";
import { check } from "./check.ts";
import { compare } from "./compare.ts";
import { build, load } from "./library.ts";
import { nativeStep } from "./step.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "batch-size": { type: "string", default: "16" },
    side: { type: "string", default: "224" },
    steps: { type: "string", default: "10" },
    threads: { type: "string", default: String(availableParallelism()) },
    lr: { type: "string", default: "0.001" },
    profile: { type: "string" },
    "ort-transpositions": { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    compare: { type: "boolean", default: false },
  },
});
const [network = "googlenet"] = positionals;
const [batch, side] = [Number(values["batch-size"]), Number(values.side)];
const [steps, threads] = [Number(values.steps), Number(values.threads)];
const HYPER = { momentum: 0.9, weightDecay: 5e-4 };
const LR = Number(values.lr);

const images = pictures(batch * 3 * side * side);
const labels = Array.from({ length: batch }, (_, i) => i % 10);
const makeStep = () =>
  nativeStep(createModel(network).initialize(1), {
    batch,
    side,
    threads,
    ...HYPER,
    layout: !values["ort-transpositions"],
    ...(values.profile && { profile: values.profile }),
  });

async function time(): Promise<void> {
  const step = await makeStep();
  const target = oneHot(labels, step.classes).data as Float32Array;
  for (let i = 0; i < 2; i++) await step.run(images, target, LR);
  const wall: number[] = [];
  const before = process.cpuUsage();
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    await step.run(images, target, LR);
    wall.push(performance.now() - start);
  }
  const { user, system } = process.cpuUsage(before);
  wall.sort((a, b) => a - b);
  const counts = new Map<string, number>();
  for (const { domain, op } of step.graph.nodes) if (domain === "convnets") counts.set(op, (counts.get(op) ?? 0) + 1);
  console.log(`${network}, ${batch} images of ${side}×${side}, ${threads} threads, ${steps} steps`);
  console.log(
    `nodes: ${step.graph.nodes.length}, product ${step.productNodes()}; native: ${[...counts].map(([op, n]) => `${op} ${n}`).join(", ")}`,
  );
  console.log(`wall: ${wall[steps >> 1]!.toFixed(1)} ms per step (median), ${wall[0]!.toFixed(1)} at best`);
  console.log(`CPU: ${((user + system) / 1000 / steps).toFixed(1)} ms per step`);
  console.log(`peak memory: ${Math.round((process.resourceUsage().maxRSS * 1024) / 1e6)} MB`);
  console.log(`native library: ${Math.round(load().size / 1e3)} kB`);
  step.close();
}

build();
if (values.check)
  await check({ network, batch, side, steps, threads, lr: LR, layout: !values["ort-transpositions"], ...HYPER });
else if (values.compare) await compare({ network, batch, side, rounds: steps });
else await time();
