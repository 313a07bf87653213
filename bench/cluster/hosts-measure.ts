/**
 * Steps on hosts that are network namespaces, against what the model of scaling predicts from constants measured on two hosts.
 *
 *     npm run build && npx tsx bench/cluster/hosts-measure.ts --only nin [--hosts 2] [--rate 1gbit] [--steps 5]
 */
import { parseArgs } from "node:util";
import { hostsReason, makeHosts } from "./hosts.ts";
import { communication, fitted } from "./model.ts";
import { ours } from "./run.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "nin" },
    hosts: { type: "string", default: "2" },
    rate: { type: "string" },
    steps: { type: "string", default: "5" },
    json: { type: "boolean", default: false },
  },
});
const BATCHES: Readonly<Record<string, number>> = { nin: 32, googlenet: 8, vgg16: 2 };
const reason = hostsReason();
if (reason !== undefined) throw new Error(reason);

/** Measures with the network as it is to be; hosts share the machine's cores, so that as many have to compute at the same time. */
function on<T>(count: number, rate: string | undefined, work: (launcher: readonly string[]) => T): T {
  const hosts = makeHosts(count);
  try {
    hosts.limit(rate);
    return work([...hosts.mpirun, "-n", `${count}`]);
  } finally {
    hosts.remove();
  }
}
const [network, count, steps] = [values.only, Number(values.hosts), Number(values.steps)];
const batch = BATCHES[network]!;
const { sums } = on(2, values.rate, (launcher) => ours(launcher, network, batch, 0));
const link = fitted(sums, 2);
const step = on(count, values.rate, (launcher) => ours(launcher, network, batch, steps));
const compute = step.seconds - step.communication;
const predicted = compute + communication(4 * step.floats, count, link);
const off = predicted / step.seconds - 1;
const result = {
  network,
  hosts: count,
  rate: values.rate ?? "none",
  ...link,
  compute,
  measured: step.seconds,
  predicted,
};
console.log(
  values.json
    ? JSON.stringify(result)
    : `${network} on ${count} hosts, limit ${result.rate}: latency ${(link.latency * 1e6).toFixed(0)} µs, ${(link.bandwidth / 1e6).toFixed(0)} MB/s; ` +
        `compute ${compute.toFixed(3)} s, step ${step.seconds.toFixed(3)} s, predicted ${predicted.toFixed(3)} s (${off > 0 ? "+" : ""}${(100 * off).toFixed(0)} %)`,
);
