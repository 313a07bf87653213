/** Small relatives of the three families, with all their kinds of layers, for engines of any speed. */
import { AuxClf, BasicConv, Inception } from "../../src/models/index.ts";
import {
  AdaptiveAvgPool2d,
  AvgPool2d,
  Conv2d,
  Dropout,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  Module,
  ReLU,
  Sequential,
  Softmax,
  type Tensor,
} from "../../src/nn/index.ts";

export const CLASSES = 5;

/** x [N, 3, 16, 16] → probabilities [N, 5, 1, 1] */
class SmallNiN extends Module<Tensor> {
  block1 = new Sequential(
    new Conv2d(3, 12, 5, { padding: 2 }),
    new ReLU(),
    new Conv2d(12, 8, 1),
    new ReLU(),
    new MaxPool2d(3, { stride: 2 }),
    new Dropout(0.25),
  );
  block2 = new Sequential(
    new Conv2d(8, 12, 3, { padding: 1 }),
    new ReLU(),
    new Conv2d(12, CLASSES, 1),
    new ReLU(),
    new AvgPool2d(7, { stride: 1 }),
    new Softmax(1),
  );

  forward(x: Tensor): Tensor {
    return this.block2.call(this.block1.call(x));
  }
}

/** x [N, 3, 16, 16] → probabilities [N, 5] */
class SmallVgg extends Module<Tensor> {
  features = new Sequential(
    new Conv2d(3, 8, 3, { padding: 1 }),
    new ReLU(),
    new MaxPool2d(2, { stride: 2 }),
    new Conv2d(8, 16, 3, { padding: 1 }),
    new ReLU(),
    new Conv2d(16, 16, 3, { padding: 1 }),
    new ReLU(),
    new MaxPool2d(2, { stride: 2 }),
  );
  classifier = new Sequential(
    new Dropout(0.5),
    new Linear(16 * 4 * 4, 32),
    new ReLU(),
    new Linear(32, CLASSES),
    new Softmax(1),
  );

  forward(x: Tensor): Tensor {
    return this.classifier.call(this.features.call(x).flatten(1));
  }
}

/** A quarter of GoogLeNet's side and less of its width: x [N, 3, 56, 56] → { logits, aux2, aux1 }, each [N, 5] */
class SmallGoogLeNet extends Module<Readonly<Record<"logits" | "aux1" | "aux2", Tensor>>> {
  conv1 = new BasicConv(3, 8, 7, { stride: 2, padding: 3 });
  maxpool1 = new MaxPool2d(3, { stride: 2, ceilMode: true });
  lrn1 = new LocalResponseNorm(5, { alpha: 0.5 });
  conv2 = new BasicConv(8, 8, 1);
  conv3 = new BasicConv(8, 12, 3, { padding: 1 });
  inception3a = new Inception(12, [4, 6, 8, 2, 4, 2]);
  maxpool3 = new MaxPool2d(3, { stride: 2, ceilMode: true });
  inception4a = new Inception(18, [6, 4, 8, 2, 4, 4]);
  aux1 = new AuxClf(22, CLASSES, { mapSize: 7 });
  inception4b = new Inception(22, [4, 6, 10, 2, 4, 6]);
  aux2 = new AuxClf(24, CLASSES, { mapSize: 7 });
  maxpool4 = new MaxPool2d(3, { stride: 2, ceilMode: true });
  avgpool = new AdaptiveAvgPool2d(1);
  dropout = new Dropout(0.4);
  fc = new Linear(24, CLASSES);

  forward(input: Tensor) {
    let x = this.lrn1.call(this.maxpool1.call(this.conv1.call(input)));
    x = this.conv3.call(this.conv2.call(x)); // [N, 12, 14, 14]
    x = this.maxpool3.call(this.inception3a.call(x)); // [N, 18, 7, 7]
    x = this.inception4a.call(x);
    const aux1 = this.aux1.call(x);
    x = this.inception4b.call(x);
    const aux2 = this.aux2.call(x);
    x = this.maxpool4.call(x); // [N, 24, 3, 3]
    const logits = this.fc.call(this.dropout.call(this.avgpool.call(x).flatten(1)));
    return { logits, aux2, aux1 };
  }
}

/** How each network is made, and the shape of an image for it. */
export const NETWORKS = {
  nin: { create: () => new SmallNiN(), image: [3, 16, 16] },
  vgg: { create: () => new SmallVgg(), image: [3, 16, 16] },
  googlenet: { create: () => new SmallGoogLeNet(), image: [3, 56, 56] },
} as const satisfies Record<string, { create: () => Module; image: readonly [number, number, number] }>;

export type NetworkName = keyof typeof NETWORKS;
