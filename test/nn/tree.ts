import {
  BatchNorm2d,
  Conv2d,
  Dropout,
  Flatten,
  Identity,
  init,
  Linear,
  MaxPool2d,
  Module,
  Parameter,
  ReLU,
  Sequential,
  Softmax,
  type Tensor,
} from "../../src/nn/index.ts";

/** Own weights, children and a list of modules, in an order that tells depth-first from breadth-first. */
export class Block extends Module<Tensor> {
  norm = new BatchNorm2d(4);
  scale = new Parameter([4, 1, 1], init.ones);
  conv = new Conv2d(3, 4, 3, { padding: 1, bias: false });
  tail = new Sequential(
    new ReLU(),
    new MaxPool2d(2),
    new Dropout(0.5),
    new Sequential(new Conv2d(4, 2, 1), new Identity()),
  );

  forward(x: Tensor): Tensor {
    const y = this.norm.call(this.conv.call(x));
    return this.tail.call(y.mul(x.tracer.weight(this.scale)));
  }
}

export class Network extends Module {
  block = new Block();
  head = new Sequential(new Flatten(), new Linear(32, 5), new Softmax(1));

  forward(x: Tensor) {
    const features = this.block.call(x);
    return { probabilities: this.head.call(features), features };
  }
}

export const IMAGE = ["N", 3, 8, 8] as const;
