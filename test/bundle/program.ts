/** A program as users write them: what it shows must not depend on how it was bundled. */
import {
  Conv2d,
  createModel,
  draw,
  Linear,
  Module,
  renderText,
  Sequential,
  summarize,
  type Tensor,
} from "../../src/index.ts";
import { COLUMNS, type Column, renderJson } from "../../src/summary/index.ts";

// a user's classes are renamed too, so they have a static type
class Scale extends Module<Tensor> {
  static readonly type = "Scale";

  forward(x: Tensor): Tensor {
    return x.mul(2).sigmoid();
  }
}

class Residual extends Module<Tensor> {
  static readonly type = "Residual";
  conv1 = new Conv2d(8, 8, 3, { padding: 1 });
  conv2 = new Conv2d(8, 8, 3, { padding: 1 });
  scale = new Scale();

  forward(x: Tensor): Tensor {
    return this.scale.call(this.conv2.call(this.conv1.call(x).relu()).add(x));
  }
}

class Own extends Module<Tensor> {
  static readonly type = "Own";
  stem = new Conv2d(3, 8, 3, { stride: 2 });
  blocks = new Sequential(new Residual(), new Residual());
  head = new Linear(8, 4);

  forward(x: Tensor): Tensor {
    return this.head.call(this.blocks.call(this.stem.call(x)).mean([2, 3]));
  }
}

const NETWORKS: readonly (readonly [string, () => Module, number])[] = [
  ["nin", () => createModel("nin"), 32],
  ["googlenet", () => createModel("googlenet", { variant: "note" }), 224],
  ["vgg16", () => createModel("vgg16"), 224],
  ["own", () => new Own(), 32],
];

/** Table, summary, drawing and text of each network. */
export function show(): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const [name, make, size] of NETWORKS) {
    const model = make();
    const input = [1, 3, size, size];
    const summary = summarize(model, { input });
    const columns = Object.keys(COLUMNS) as Column[];
    shown[`table of ${name}`] = renderText(summary, { columns, rows: ["depth", "var_names"] });
    shown[`summary of ${name}`] = renderJson(summary);
    shown[`drawing of ${name}`] = draw(model, { input });
    shown[`text of ${name}`] = String(model);
  }
  return shown;
}
