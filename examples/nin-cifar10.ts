/**
 * Trains the note's Network in Network on the real CIFAR-10, through the public API.
 *
 *     npx tsx examples/nin-cifar10.ts FOLDER [STEPS]
 *
 * FOLDER holds CIFAR-10's binary version (data_batch_1.bin …).
 */
import { createModel, dataLoader, init, NORMALIZATION, oneHot, sgd, subset, TrainingStep } from "convnets";
import { nodeEngine, openDataset } from "convnets/node";
import { Evaluator } from "convnets/train";

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
const model = createModel("nin");
// With PyTorch's first weights signals fade on their way through nine layers, and the last ReLU shuts: it hardly learns.
for (const [key, parameter] of model.parameters()) {
  if (key.endsWith("weight")) parameter.initializer = init.kaimingNormal({ nonlinearity: "relu" });
  if (key === "block3.4.bias") parameter.initializer = init.ones;
}
model.initialize(1);
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
