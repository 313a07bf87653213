/**
 * A network of your own: a small ResNet, trained on generated shapes, saved for PyTorch and as ONNX.
 *
 *     npx tsx examples/own-network.ts [IMAGES] [EPOCHS]
 */
import { writeFile } from "node:fs/promises";
import {
  AdaptiveAvgPool2d,
  adamw,
  BatchNorm2d,
  Conv2d,
  cosineRate,
  dataLoader,
  exportOnnx,
  Flatten,
  fit,
  Linear,
  Module,
  NORMALIZATION,
  ReLU,
  renderText,
  Sequential,
  shapes,
  summarize,
  type Tensor,
} from "convnets";
import { nodeEngine, writeCheckpoint } from "convnets/node";

const [images = 10_000, epochs = 3] = process.argv.slice(2).map(Number);

/** Two convolutions, and a path around them. x [N, C, H, W] → y [N, O, H/stride, W/stride] */
class Block extends Module<Tensor> {
  conv1: Conv2d;
  bn1: BatchNorm2d;
  conv2: Conv2d;
  bn2: BatchNorm2d;
  shortcut: Sequential | undefined;

  constructor(inChannels: number, outChannels: number, stride: number) {
    super();
    this.conv1 = new Conv2d(inChannels, outChannels, 3, { stride, padding: 1, bias: false });
    this.bn1 = new BatchNorm2d(outChannels);
    this.conv2 = new Conv2d(outChannels, outChannels, 3, { padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(outChannels);
    if (stride !== 1 || inChannels !== outChannels) {
      const conv = new Conv2d(inChannels, outChannels, 1, { stride, bias: false });
      this.shortcut = new Sequential(conv, new BatchNorm2d(outChannels));
    }
  }

  forward(x: Tensor): Tensor {
    const y = this.bn1.call(this.conv1.call(x)).relu();
    return this.bn2
      .call(this.conv2.call(y))
      .add(this.shortcut?.call(x) ?? x)
      .relu();
  }
}

const resnet = (numClasses: number) =>
  new Sequential(
    ...[new Conv2d(3, 16, 3, { padding: 1, bias: false }), new BatchNorm2d(16), new ReLU()], // 32×32
    ...[new Block(16, 16, 1), new Block(16, 32, 2), new Block(32, 64, 2)], // 32×32, 16×16, 8×8
    ...[new AdaptiveAvgPool2d(4), new Flatten(), new Linear(64 * 4 * 4, numClasses)], // 4×4
  );

const transforms = [{ normalize: NORMALIZATION.shapes }];
const trainSet = shapes({ length: images });
const testSet = shapes({ length: Math.ceil(images / 5), split: "test" });
const model = resnet(trainSet.classes.length);
console.log(renderText(summarize(model, { input: [1, 3, 32, 32] }), { depth: 2 }));

const { history } = await fit(model, {
  engine: nodeEngine(),
  train: dataLoader(trainSet, { batchSize: 64, shuffle: true, transforms }),
  validation: dataLoader(testSet, { batchSize: 100, transforms }),
  optimizer: adamw({ weightDecay: 0.01 }),
  schedule: cosineRate(0.003),
  epochs,
});
for (const { epoch, train, validation } of history) {
  const accuracy = (100 * validation!.top1).toFixed(1);
  console.log(`epoch ${epoch + 1}  loss ${train.loss.toFixed(3)}  test accuracy ${accuracy} %`);
}

await writeCheckpoint("resnet.pth", { tensors: model.stateDict() }); // torch.load("resnet.pth")
await writeFile("resnet.onnx", exportOnnx(model, { input: ["N", 3, 32, 32], softmax: true }).bytes);
console.log("wrote resnet.pth and resnet.onnx");
