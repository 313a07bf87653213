import { oneProcess, partOf } from "/work/sync/src/cluster/index.ts";
import { dataLoader, shapes } from "/work/sync/src/data/index.ts";
import { constantRate, createModel, crossEntropyLoss, fit, sgd } from "/work/sync/src/index.ts";
import { nodeEngine } from "/work/sync/src/node.ts";
const engine = nodeEngine({ threads: 1 });
async function go(network: string, shards: number, sync: boolean, extra = {}) {
  const collective = oneProcess();
  const train = dataLoader(shapes({ length: 9 }), { batchSize: 8, shuffle: true, ...(shards > 1 && { part: partOf(shards, 1, 0) }) });
  const model = createModel(network, { numClasses: 10 });
  const losses: number[] = [];
  const t = process.cpuUsage();
  for await (const e of fit(model, { engine, train, epochs: 1, optimizer: sgd({ momentum: 0.9 }), schedule: constantRate(0.05), loss: crossEntropyLoss(), shards, dropout: false, ...(sync && {syncBatchNorm: true}), ...extra }))
    if (e.type === "step") losses.push(e.loss);
  console.log(network, shards, sync, losses, (process.cpuUsage(t).user / 1e6).toFixed(2));
  return model.stateDict();
}
const net = process.argv[2] ?? "inception_small";
const a = await go(net, 1, false);
for (const [s, y] of [[4, false], [4, true], [2, true]] as const) {
  const b = await go(net, s, y);
  let worst = 0, where = "";
  for (const [k, { data }] of a) { const o = b.get(k)!.data as Float32Array; (data as Float32Array).forEach((v, i) => { const d = Math.abs(Number(v) - Number(o[i]!)); if (d > worst) { worst = d; where = k; } }); }
  console.log(s, y, "worst", worst, where);
}
