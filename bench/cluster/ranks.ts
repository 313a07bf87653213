/**
 * Two ranks of one core each against one process of one core, and against PyTorch's DistributedDataParallel on two cores, in turn.
 *
 *     npm run build && npx tsx bench/cluster/ranks.ts --only nin [--pairs 3] [--steps 5] [--ddp]
 */
import { parseArgs } from "node:util";
import { ddp, type Measured, ours } from "./run.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    pairs: { type: "string", default: "3" },
    steps: { type: "string", default: "5" },
    ddp: { type: "boolean", default: false },
  },
});
/** Images of a step, for each rank. */
const BATCHES = { nin: 32, googlenet: 8, vgg16: 4 };
const ONE = ["taskset", "-c", "0"];
const TWO = ["mpirun.openmpi", "-n", "2", "--bind-to", "core"];

const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
const steps = Number(values.steps);
for (const [network, batch] of Object.entries(BATCHES)) {
  if (!network.includes(values.only)) continue;
  const pairs: [Measured, Measured][] = [];
  for (let i = 0; i < Number(values.pairs); i++) {
    const other = values.ddp ? ddp(2, network, batch, steps) : ours(ONE, network, batch, steps);
    pairs.push([ours(TWO, network, batch, steps), other]);
  }
  const ratios = pairs.map(([two, other]) => two.imagesPerSecond / other.imagesPerSecond);
  const [two, other] = [0, 1].map((side) => median(pairs.map((pair) => pair[side]!.imagesPerSecond)));
  const memory = [0, 1].map((side) => Math.round(Math.max(...pairs.map((pair) => pair[side]!.memory)) / 1e6));
  console.log(
    `${network}, ${batch} images a rank: two ranks ${two!.toFixed(1)} images/s, ${values.ddp ? "DDP of two" : "one process"} ${other!.toFixed(1)}: ` +
      `${median(ratios).toFixed(2)}× [${Math.min(...ratios).toFixed(2)} … ${Math.max(...ratios).toFixed(2)}], ${memory[0]} and ${memory[1]} MB a process`,
  );
}
