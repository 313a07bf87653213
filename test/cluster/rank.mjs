/**
 * Small trainings in four shards, on as many ranks as MPI has started or in one process. Prints a digest of weights, state and losses of
 * each, as JSON. Its argument picks the cases whose names match it.
 */
import { createHash } from "node:crypto";
import { oneProcess, partOf } from "../../dist/bundle/cluster/index.js";
import { dataLoader, shapes } from "../../dist/bundle/data/index.js";
import { constantRate, createModel, crossEntropyLoss, fit, sgd } from "../../dist/bundle/index.js";
import { joinRanks, nodeEngine } from "../../dist/bundle/node.js";

const SHARDS = 4;
/** Nine images: of the last batch, some shards have none. */
const CASES = {
  nin: { network: "nin", batchSize: 8 },
  inception: { network: "inception_small", batchSize: 8 },
  "inception, accumulated, in bf16": {
    network: "inception_small",
    ...{ batchSize: 4, accumulate: 2, compress: "bf16", ema: 0.9 },
  },
  // of the last batch, three shards have no images: with two ranks, one of them has none at all
  "inception, synchronized": { network: "inception_small", batchSize: 4, accumulate: 2, syncBatchNorm: true },
  "nin, reduced fast": { network: "nin", batchSize: 8, reduce: "fast" },
};

const collective = (await joinRanks()) ?? oneProcess();
const { rank, size } = collective;
const engine = nodeEngine({ threads: 1 });
const digest = (state) => {
  const hash = createHash("sha256");
  for (const [name, { data }] of state)
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest("hex").slice(0, 16);
};

const results = {};
for (const [name, { network, batchSize, ...options }] of Object.entries(CASES)) {
  if (!new RegExp(process.argv[2] ?? "").test(name)) continue;
  const train = dataLoader(shapes({ length: 9 }), {
    ...{ batchSize, shuffle: true, part: partOf(SHARDS, size, rank) },
  });
  const model = createModel(network, { numClasses: 10 });
  const losses = [];
  let saved;
  for await (const event of fit(model, {
    ...{ engine, train, epochs: 1, optimizer: sgd({ momentum: 0.9 }), schedule: constantRate(0.05), ...options },
    ...{ loss: crossEntropyLoss(), shards: SHARDS, collective },
  })) {
    if (event.type === "step") losses.push(event.loss);
    if (event.type === "checkpoint") saved = (await event.state()).tensors;
  }
  const weights = digest(model.stateDict());
  const all = await collective.gather(weights);
  results[name] = { losses, weights, state: digest(saved), same: all.every((one) => one === weights) };
}
if (rank === 0) process.stdout.write(`${JSON.stringify(results)}\n`);
await collective.close();
