import { checkPositional } from "../options.ts";
import type { Tensor } from "../tensor.ts";
import { Layer } from "./layer.ts";

/** y = max(x, 0): x [any] → y [same] */
export class ReLU extends Layer {
  static readonly type: string = "ReLU";

  forward(x: Tensor): Tensor {
    return x.relu();
  }
}

/** y = exp(x) / Σ exp(x) along the axis `dim`: x [any] → y [same] */
export class Softmax extends Layer {
  static readonly type: string = "Softmax";
  readonly dim: number;

  constructor(dim: number) {
    super();
    checkPositional("Softmax", { dim });
    this.dim = dim;
  }

  forward(x: Tensor): Tensor {
    return x.softmax(this.dim);
  }
}

/** y = x − log Σ exp(x) along the axis `dim`: x [any] → y [same] */
export class LogSoftmax extends Layer {
  static readonly type: string = "LogSoftmax";
  readonly dim: number;

  constructor(dim: number) {
    super();
    checkPositional("LogSoftmax", { dim });
    this.dim = dim;
  }

  forward(x: Tensor): Tensor {
    return x.logSoftmax(this.dim);
  }
}
