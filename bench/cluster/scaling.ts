/**
 * The table of docs/cluster.md: images per second and efficiency that the model of scaling predicts, for 1 to 1,024 ranks.
 *
 *     npx tsx bench/cluster/scaling.ts [--bandwidth 125e6] [--latency 50e-6] [--googlenet 0.9] [--nin 0.2] [--vgg16 4]
 *
 * `--googlenet` and the others are the seconds that a rank computes for its batch.
 */
import { parseArgs } from "node:util";
import { createModel } from "../../src/models/index.ts";
import { communication } from "./model.ts";

const { values } = parseArgs({
  options: {
    bandwidth: { type: "string", default: "125e6" },
    latency: { type: "string", default: "50e-6" },
    googlenet: { type: "string", default: "0.9" },
    nin: { type: "string", default: "0.2" },
    vgg16: { type: "string", default: "4" },
  },
});
const link = { bandwidth: Number(values.bandwidth), latency: Number(values.latency) };
const NETWORKS = ["googlenet", "nin", "vgg16"] as const;
console.log(`| ranks | ${NETWORKS.join(" | ")} |\n| ---: |${" ---: |".repeat(NETWORKS.length)}`);
for (let n = 1; n <= 1024; n *= 2) {
  const cells = NETWORKS.map((network) => {
    const floats = [...createModel(network).parameters()].reduce((sum, [, { numel }]) => sum + numel, 0);
    const compute = Number(values[network]);
    const step = compute + communication(4 * floats, n, link);
    return `${step.toFixed(2)} s, ${Math.round((100 * compute) / step)} %`;
  });
  console.log(`| ${n} | ${cells.join(" | ")} |`);
}
