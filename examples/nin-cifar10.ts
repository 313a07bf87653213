/**
 * Trains the note's Network in Network on the real CIFAR-10, through the public API.
 *
 *     npx tsx examples/nin-cifar10.ts FOLDER [STEPS]
 *
 * FOLDER holds CIFAR-10's binary version (data_batch_1.bin …). In your own project, import from "convnets/node".
 */
import {
  createModel,
  dataLoader,
  Evaluator,
  init,
  NORMALIZATION,
  nodeEngine,
  oneHot,
  openDataset,
  Random,
  sgd,
  subset,
  TrainingStep,
  tensor,
} from "../src/node.ts";

const [folder, steps = "300"] = process.argv.slice(2);
if (folder === undefined) {
  console.error("usage: npx tsx examples/nin-cifar10.ts FOLDER [STEPS]");
  process.exit(2);
}
const transforms = [{ normalize: NORMALIZATION.cifar10 }];
const train = dataLoader(await openDataset(folder), { batchSize: 64, shuffle: true, seed: 1, transforms });
const images = await openDataset(folder, { split: "test" });
const test = dataLoader(
  subset(
    images,
    Array.from({ length: 2000 }, (_, i) => i),
  ),
  { batchSize: 100, transforms },
);

const engine = nodeEngine();
const model = createModel("nin").initialize(1);
// With PyTorch's first weights signals fade on their way through nine layers, and the last ReLU shuts: it hardly learns.
const heNormal = init.kaimingNormal({ nonlinearity: "relu" });
for (const [key, parameter] of model.parameters()) {
  const { shape } = parameter;
  if (key.endsWith("weight")) parameter.data = tensor("float32", shape, heNormal(shape, new Random(1, key)));
  if (key === "block3.4.bias") parameter.data = tensor("float32", shape, new Float32Array(10).fill(1));
}
const input = ["N", 3, 32, 32];
const optimizer = sgd({ momentum: 0.9, weightDecay: 5e-4 });
// in so few steps dropout would only hold it up
const step = await TrainingStep.create(model, { engine, input, optimizer, dropout: false });

for await (const { images, labels, index } of train.epoch(0)) {
  if (index === Number(steps)) break;
  const { loss } = await step.run({ input: images, target: oneHot(labels.data, 10) }, 0.002);
  if ((index + 1) % 20 === 0) console.log(`step ${index + 1}  loss ${loss.toFixed(4)}`);
}

const evaluator = await Evaluator.create(model, { engine, input, weights: await step.weights() });
const { top1, images: count } = await evaluator.evaluate(test);
console.log(`accuracy on ${count} test images: ${(100 * top1).toFixed(1)} %`);
