/**
 * Several labels per image: is there a red dot, a green one, a blue one? Any combination is possible.
 *
 *     npx tsx examples/several-labels.ts [IMAGES] [EPOCHS]
 */
import {
  AdaptiveAvgPool2d,
  adamw,
  Conv2d,
  compile,
  cosineRate,
  type Dataset,
  dataLoader,
  Flatten,
  fit,
  Linear,
  MaxPool2d,
  memoryDataset,
  Random,
  ReLU,
  Sequential,
} from "convnets";
import { nodeEngine } from "convnets/node";
import { bceWithLogitsLoss } from "convnets/train";

const [images = 2000, epochs = 3] = process.argv.slice(2).map(Number);
const SIZE = 24; // pixels
const LABELS = ["red", "green", "blue"];

/** Dark images with noise. Each label is there with probability ½: a dot of 4×4 pixels in its colour. */
function dots(count: number, seed: number): Dataset {
  const random = new Random(seed);
  const pixels = Uint8Array.from({ length: count * 3 * SIZE * SIZE }, () => random.integer(120)); // [N, C, H, W]
  const targets = new Float32Array(count * 3); // [N, 3]: 0 or 1
  for (let n = 0; n < count; n++) {
    for (let c = 0; c < 3; c++) {
      if (random.uniform() < 0.5) continue;
      targets[3 * n + c] = 1;
      const [top, left] = [random.integer(SIZE - 4), random.integer(SIZE - 4)];
      for (let y = top; y < top + 4; y++) {
        const row = ((3 * n + c) * SIZE + y) * SIZE;
        pixels.fill(255, row + left, row + left + 4);
      }
    }
  }
  return memoryDataset({ name: "dots", classes: LABELS, images: pixels, targets, shape: [3, SIZE, SIZE] });
}

const model = new Sequential(
  ...[new Conv2d(3, 16, 3, { padding: 1 }), new ReLU(), new MaxPool2d(2)],
  ...[new Conv2d(16, 32, 3, { padding: 1 }), new ReLU(), new MaxPool2d(6)],
  ...[new AdaptiveAvgPool2d(1), new Flatten(), new Linear(32, LABELS.length)], // one score per label, no softmax
);
const engine = nodeEngine();
const testSet = dots(200, 2);
const { history } = await fit(model, {
  engine,
  train: dataLoader(dots(images, 1), { batchSize: 50, shuffle: true }),
  validation: dataLoader(testSet, { batchSize: 100 }),
  loss: bceWithLogitsLoss(),
  optimizer: adamw(),
  schedule: cosineRate(0.01),
  epochs,
});
for (const { epoch, train, validation } of history) {
  const { accuracy, f1 } = validation!.metrics;
  console.log(
    `epoch ${epoch + 1}  loss ${train.loss.toFixed(3)}  test accuracy ${accuracy!.toFixed(3)}  F1 ${f1!.toFixed(3)}`,
  );
}

// A label is there if its score is above 0, that is, its probability above ½.
const predict = await compile(model, { engine });
const first = await dataLoader(testSet, { batchSize: 1 }).first();
const scores = await predict(first.images);
const names = (numbers: ArrayLike<number>, above: number) => LABELS.filter((_, i) => numbers[i]! > above).join(", ");
console.log(`the first test image has ${names(first.targets!.data, 0.5)}; the network sees ${names(scores.data, 0)}`);
