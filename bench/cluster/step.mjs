/**
 * Training steps on as many ranks as MPI has started, on made-up images, one thread each. Prints JSON.
 *
 *     node step.mjs NETWORK IMAGES_PER_RANK STEPS        with STEPS 0, sums of arrays alone
 */
import { oneProcess } from "../../dist/bundle/cluster/index.js";
import { createModel, oneHot, sgd, TrainingStep } from "../../dist/bundle/index.js";
import { joinRanks, nodeEngine } from "../../dist/bundle/node.js";

const [network, batch, steps] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const collective = (await joinRanks()) ?? oneProcess();
const { rank, size } = collective;
const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const seconds = async (work) => {
  await collective.barrier();
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
};

const model = createModel(network).initialize(0);
const side = network === "nin" ? 32 : 224;
const floats = [...model.parameters()].reduce((sum, [, { numel }]) => sum + numel, 0);
const result = { network, ranks: size, batch, floats };
if (steps === 0) {
  /** Seconds for sums of so many numbers. */
  const sums = {};
  for (const length of [1, 250_000, 1_000_000, 4_000_000]) {
    const part = new Float32Array(new ArrayBuffer(4 * length));
    const times = [];
    for (let i = 0; i < 6; i++) times.push(await seconds(() => collective.allReduce([part])));
    sums[length] = median(times.slice(1));
  }
  Object.assign(result, { sums });
} else {
  const step = await TrainingStep.create(model, {
    ...{ engine: nodeEngine({ threads: 1 }), optimizer: sgd({ momentum: 0.9 }), dropout: false },
    ...{ input: ["N", 3, side, side], shards: size, collective },
  });
  const data = Float32Array.from({ length: batch * 3 * side * side }, (_, i) => Math.sin(i * 12.9898 + rank));
  const target = oneHot(
    Array.from({ length: batch }, (_, i) => i % 10),
    step.numClasses,
  );
  const images = {
    input: { dtype: "float32", shape: [batch, 3, side, side], data },
    target,
    ...(size > 1 && { shard: rank }),
  };
  const [times, communication] = [[], []];
  for (let i = 0; i < steps + 2; i++) {
    let measured;
    const time = await seconds(async () => {
      measured = await step.run(images, 0.001);
    });
    if (i < 2) continue;
    times.push(time);
    communication.push(measured.communication ?? 0);
  }
  Object.assign(result, { seconds: median(times), communication: median(communication) });
  result.imagesPerSecond = (batch * size) / result.seconds;
  await step.dispose();
}
result.memory = Math.max(...(await collective.gather(process.resourceUsage().maxRSS * 1024)));
if (rank === 0) console.log(JSON.stringify(result));
await collective.close();
