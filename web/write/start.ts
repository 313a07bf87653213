/** The code that the editor starts with. */
export const START = `import {
  AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Linear,
  MaxPool2d, Module, Sequential, Tensor,
} from "convnets";

/** Two convolutions and a shortcut around them. */
class Residual extends Module<Tensor> {
  conv1: Conv2d;
  norm1: BatchNorm2d;
  conv2: Conv2d;
  norm2: BatchNorm2d;

  constructor(channels: number) {
    super();
    const options = { padding: 1, bias: false };
    this.conv1 = new Conv2d(channels, channels, 3, options);
    this.norm1 = new BatchNorm2d(channels);
    this.conv2 = new Conv2d(channels, channels, 3, options);
    this.norm2 = new BatchNorm2d(channels);
  }

  forward(x: Tensor) {
    const y = this.norm1.call(this.conv1.call(x)).relu();
    return this.norm2.call(this.conv2.call(y)).add(x).relu();
  }
}

export default class MyNet extends Module<Tensor> {
  override readonly spec = { inputSize: 64 };

  stem = new Conv2d(3, 32, 3, { padding: 1 });
  pool1 = new MaxPool2d(2);
  block1 = new Residual(32);
  widen = new Conv2d(32, 64, 1);
  pool2 = new MaxPool2d(2);
  blocks = new Sequential([new Residual(64), new Residual(64)]);
  average = new AdaptiveAvgPool2d(1);
  classify = new Linear(64, 10);

  forward(x: Tensor) {
    x = this.stem.call(x).relu(); // [N, 32, 64, 64]
    x = this.pool1.call(x); // [N, 32, 32, 32]
    x = this.widen.call(this.block1.call(x)).relu();
    x = this.pool2.call(x); // [N, 64, 16, 16]
    x = this.average.call(this.blocks.call(x));
    return this.classify.call(x.flatten(1)); // [N, 10]
  }
}
`;
