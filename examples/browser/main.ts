/**
 * Trains a network in the browser, then classifies images with it.
 *
 *     npm install convnets onnxruntime-web vite
 *     npx vite examples/browser
 */
import { cosineRate, createModel, dataLoader, fit, type Image, NORMALIZATION, sgd, shapes } from "convnets";
import { classifier } from "convnets/classify";
import { toInterleaved } from "convnets/data";
import { webEngine } from "convnets/web";

const status = document.querySelector("#status")!;
const settings = new URLSearchParams(location.search);
const length = Number(settings.get("images") ?? 3000);
const epochs = Number(settings.get("epochs") ?? 3);

const engine = await webEngine();
const model = createModel("vgg_small").initialize(1);
const preprocessing = [{ normalize: NORMALIZATION.shapes }];
const test = shapes({ split: "test", length: 200 });
const train = dataLoader(shapes({ length }), { batchSize: 64, shuffle: true, transforms: preprocessing });
const validation = dataLoader(test, { batchSize: 100, transforms: preprocessing });
const optimizer = sgd({ momentum: 0.9, weightDecay: 5e-4 });

for await (const event of fit(model, { engine, train, validation, epochs, optimizer, schedule: cosineRate(0.05) })) {
  if (event.type === "step") {
    status.textContent = `epoch ${event.epoch + 1}, step ${event.batch}: loss ${event.loss.toFixed(3)}`;
    await new Promise((resolve) => setTimeout(resolve)); // let the browser draw
  }
  if (event.type === "epoch") console.log(`epoch ${event.epoch + 1}: ${event.validation!.top1} of the test images`);
}

const classify = await classifier(model, { engine, classes: test.classes, preprocessing, topk: 1 });
let right = 0;
for (let i = 0; i < 20; i++) {
  const { image, label } = test.get(i);
  const [best] = await classify(image);
  if (best!.label === label) right++;
  show(image, best!.name);
}
status.textContent = `Done: ${right} of 20 images right`;

function show(image: Image, caption: string): void {
  const { width, height } = image;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const pixels = new ImageData(width, height);
  const rgb = toInterleaved(image);
  for (let i = 0; i < width * height; i++) {
    pixels.data.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
    pixels.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d")!.putImageData(pixels, 0, 0);
  const figure = document.createElement("figure");
  figure.append(canvas, Object.assign(document.createElement("figcaption"), { textContent: caption }));
  document.querySelector("#images")!.append(figure);
}
