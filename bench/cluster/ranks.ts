/**
 * Two ranks of one core each against one process of one core, or against PyTorch's DistributedDataParallel on two cores, in turn.
 *
 *     npm run build && npx tsx bench/cluster/ranks.ts [--only nin,googlenet,vgg16] [--pairs 3] [--steps 5] [--ddp | --apart]
 *
 * With `--apart`, two processes that share nothing but the machine's memory, instead of two ranks: what two ranks could reach at best.
 *
 * Prints a table for docs/cluster.md.
 */
import { parseArgs } from "node:util";
import { ddp, type Measured, ours } from "./run.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "nin,googlenet,vgg16" },
    pairs: { type: "string", default: "3" },
    steps: { type: "string", default: "5" },
    ddp: { type: "boolean", default: false },
    apart: { type: "boolean", default: false },
  },
});
/** Images of a step, for each rank. */
const BATCHES = { nin: 32, googlenet: 8, vgg16: 4 };
const ONE = ["taskset", "-c", "0"];
const TWO = ["mpirun.openmpi", "-n", "2", "--bind-to", "core"];
/** The words that follow, on either core at the same time; prints what the one on the first core prints. */
const APART = ["sh", "-c", 'taskset -c 1 "$@" >/dev/null & taskset -c 0 "$@"; wait', "apart"];
const two = (network: string, batch: number): Measured => {
  if (!values.apart) return ours(TWO, network, batch, steps);
  const one = ours(APART, network, batch, steps);
  return { ...one, imagesPerSecond: 2 * one.imagesPerSecond };
};

const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
const steps = Number(values.steps);
const other = values.ddp ? "DDP of two" : "one process";
console.log(
  `| network | images a rank | ${values.apart ? "two apart" : "two ranks"}, images/s | ${other}, images/s | ratio | MB a process | ${other}, MB |`,
);
console.log(`| --- |${" ---: |".repeat(6)}`);
for (const [network, batch] of Object.entries(BATCHES)) {
  if (!values.only.split(",").includes(network)) continue;
  const pairs: [Measured, Measured][] = [];
  for (let i = 0; i < Number(values.pairs); i++) {
    const peer = values.ddp ? ddp(2, network, batch, steps) : ours(ONE, network, batch, steps);
    pairs.push([two(network, batch), peer]);
  }
  const ratios = pairs.map(([ours, theirs]) => ours.imagesPerSecond / theirs.imagesPerSecond);
  const [both, single] = [0, 1].map((side) => median(pairs.map((pair) => pair[side]!.imagesPerSecond)));
  const memory = [0, 1].map((side) => Math.round(Math.max(...pairs.map((pair) => pair[side]!.memory)) / 1e6));
  const [lowest, highest] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2));
  console.log(
    `| ${network} | ${batch} | ${both!.toFixed(1)} | ${single!.toFixed(1)} | ${median(ratios).toFixed(2)} (${lowest} to ${highest}) | ${memory[0]} | ${memory[1]} |`,
  );
}
