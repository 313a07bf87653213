/**
 * Steps on hosts that are network namespaces, against what the model of scaling predicts from constants measured on two hosts. Prints the
 * table of docs/cluster.md; a measurement that fails is repeated once.
 *
 *     npm run build && npx tsx bench/cluster/hosts-measure.ts [--only nin,googlenet] [--hosts 2,4] [--rates none,1gbit,100mbit] [--steps 5]
 *
 * With --sums, it only times sums of arrays of several lengths.
 */
import { parseArgs } from "node:util";
import { hostsReason, makeHosts } from "./hosts.ts";
import { communication, fitted, type Link } from "./model.ts";
import { ours } from "./run.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "nin,googlenet" },
    hosts: { type: "string", default: "2,4" },
    rates: { type: "string", default: "none,1gbit,100mbit" },
    steps: { type: "string", default: "5" },
    sums: { type: "boolean", default: false },
  },
});
const BATCHES: Readonly<Record<string, number>> = { nin: 32, googlenet: 8, vgg16: 2 };
const reason = hostsReason();
if (reason !== undefined) throw new Error(reason);

/** Measures with the network as it is to be; hosts share the machine's cores, so that as many have to compute at the same time. */
function on<T>(count: number, rate: string, work: (launcher: readonly string[]) => T): T {
  const hosts = makeHosts(count);
  try {
    hosts.limit(rate === "none" ? undefined : rate);
    return work([...hosts.mpirun, "-n", `${count}`]);
  } finally {
    hosts.remove();
  }
}

function twice<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    console.error(`once more: ${(error as Error).message}`);
    return work();
  }
}

const ms = (seconds: number) => `${(1000 * seconds).toFixed(0)} ms`;
const rates = values.rates.split(",");
const counts = values.hosts.split(",").map(Number);
const sumsOn = (count: number, rate: string) =>
  twice(() => on(count, rate, (launcher) => ours(launcher, "nin", 1, 0))).sums;
if (values.sums) {
  for (const rate of rates)
    for (const count of counts) {
      const sums = Object.entries(sumsOn(count, rate));
      console.log(
        `${count} hosts, ${rate}: ${sums.map(([length, time]) => `${length} floats in ${ms(time)}`).join(", ")}`,
      );
    }
  process.exit();
}

console.log("| network | hosts | limit | latency | bandwidth | compute | step | predicted | off |");
console.log(`| --- | ---: | --- |${" ---: |".repeat(6)}`);
let worst = 0;
for (const rate of rates) {
  const link: Link = fitted(sumsOn(2, rate), 2);
  const of = `${(link.latency * 1e6).toFixed(0)} µs | ${(link.bandwidth / 1e6).toFixed(1)} MB/s`;
  for (const network of values.only.split(",")) {
    for (const count of counts) {
      const batch = BATCHES[network]!;
      const step = twice(() => on(count, rate, (launcher) => ours(launcher, network, batch, Number(values.steps))));
      const compute = step.seconds - step.communication;
      const predicted = compute + communication(4 * step.floats, count, link);
      const off = predicted / step.seconds - 1;
      worst = Math.max(worst, Math.abs(off));
      const figures = [compute, step.seconds, predicted].map(ms).join(" | ");
      console.log(
        `| ${network} | ${count} | ${rate} | ${of} | ${figures} | ${off > 0 ? "+" : ""}${(100 * off).toFixed(0)} % |`,
      );
    }
  }
}
console.log(`\nAt most ${(100 * worst).toFixed(0)} % off.`);
