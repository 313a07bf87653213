/**
 * Transfer learning: a network that somebody trained learns your classes, with few images.
 *
 *     npx tsx examples/transfer-learning.ts NETWORK.onnx FOLDER [SIZE]
 *
 * NETWORK.onnx is a classifier such as an exported ResNet. FOLDER holds train/ and val/, each with one subfolder of images per class.
 * SIZE is the height and width of the network's images in pixels, 224 by default. Writes tuned.onnx.
 */
import { writeFile } from "node:fs/promises";
import { adamw, cosineRate, dataLoader, exportOnnx, fit, NORMALIZATION, type Transform } from "convnets";
import { imageFolder, nodeEngine, readOnnxModule } from "convnets/node";
import { freeze } from "convnets/train";

const [network, folder, given = "224"] = process.argv.slice(2);
if (network === undefined || folder === undefined) {
  console.error("usage: npx tsx examples/transfer-learning.ts NETWORK.onnx FOLDER [SIZE]");
  process.exit(2);
}
const size = Number(given);
const trainSet = await imageFolder(`${folder}/train`);
const validationSet = await imageFolder(`${folder}/val`);
const { classes } = trainSet;

const normalize: Transform = { normalize: NORMALIZATION.imagenet };
const augmented: Transform[] = [{ randomResizedCrop: { size, scale: [0.5, 1] } }, "randomHorizontalFlip", normalize];
const plain: Transform[] = [{ resize: { size } }, { centerCrop: { size } }, normalize];
const train = dataLoader(trainSet, { batchSize: 16, shuffle: true, transforms: augmented });
const validation = dataLoader(validationSet, { batchSize: 50, transforms: plain });

// A new last layer, with as many outputs as there are classes.
const model = (await readOnnxModule(network)).replaceHead(classes.length);

/** Trains what is not frozen. */
async function learn(title: string, epochs: number, rate: number): Promise<void> {
  const { history } = await fit(model, {
    ...{ engine: nodeEngine(), train, validation, epochs },
    optimizer: adamw({ weightDecay: 0.01 }),
    schedule: cosineRate(rate),
  });
  for (const { epoch, train, validation } of history) {
    const accuracy = (100 * validation!.top1).toFixed(1);
    console.log(`${title}: epoch ${epoch + 1}  loss ${train.loss.toFixed(3)}  accuracy ${accuracy} %`);
  }
}

// First only the new layer: its random weights would spoil the others. Then all layers, in small steps.
freeze(model, "backbone", ["N", 3, size, size]);
await learn("last layer", 1, 2e-3);
model.requiresGrad(true).train();
await learn("all layers", 2, 1e-3);

const { bytes } = exportOnnx(model, {
  input: ["N", 3, size, size],
  softmax: true,
  metadata: { classes: JSON.stringify(classes), preprocessing: JSON.stringify(plain) },
});
await writeFile("tuned.onnx", bytes);
console.log(`wrote tuned.onnx, a network for ${classes.join(", ")}`);
