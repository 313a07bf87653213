/** Networks of kinds that are not in this library, as modules and as imported graphs. */
import { describe, expect, it } from "vitest";
import { sceneOf } from "../../src/draw/draw.ts";
import {
  AdaptiveAvgPool2d,
  Conv2d,
  cat,
  Linear,
  Module,
  ReLU,
  Sequential,
  type Tensor,
  trace,
} from "../../src/nn/index.ts";
import { decode, encode } from "../../src/onnx/index.ts";
import { problems, tooSmall } from "./checks.ts";
import { ResNet } from "./networks.ts";

const LEVELS = ["block", "layer"] as const;
const IMAGE = [1, 3, 64, 64];

/** Sandler et al. 2018 with the gates of Hu et al. 2018: a long way, in it a gate, and a way around both. */
class Gated extends Module<Tensor> {
  readonly expand: Conv2d;
  readonly depthwise: Conv2d;
  readonly squeeze: Conv2d;
  readonly excite: Conv2d;
  readonly project: Conv2d;

  constructor(channels: number) {
    super();
    const wide = 6 * channels;
    this.expand = new Conv2d(channels, wide, 1);
    this.depthwise = new Conv2d(wide, wide, 3, { padding: 1, groups: wide });
    this.squeeze = new Conv2d(wide, 8, 1);
    this.excite = new Conv2d(8, wide, 1);
    this.project = new Conv2d(wide, channels, 1);
  }

  forward(x: Tensor): Tensor {
    const y = this.depthwise.call(this.expand.call(x).relu()).relu();
    const gate = this.excite.call(this.squeeze.call(y.mean([2, 3], true)).relu()).sigmoid();
    return this.project.call(y.mul(gate)).add(x);
  }
}

class GatedNet extends Module<Tensor> {
  readonly stem = new Conv2d(3, 112, 3, { stride: 2, padding: 1 });
  readonly gated1 = new Gated(112);
  readonly gated2 = new Gated(112);
  readonly fc = new Linear(112, 10);

  forward(x: Tensor): Tensor {
    return this.fc.call(this.gated2.call(this.gated1.call(this.stem.call(x))).mean([2, 3]));
  }
}

/** Iandola et al. 2016: the classifier is a block of convolutions, flattened by the network around it. */
class FireNet extends Module<Tensor> {
  readonly squeeze = new Conv2d(3, 16, 1);
  readonly expand1x1 = new Conv2d(16, 64, 1);
  readonly expand3x3 = new Conv2d(16, 64, 3, { padding: 1 });
  readonly classifier = new Sequential(new Conv2d(128, 10, 1), new ReLU(), new AdaptiveAvgPool2d(1));

  forward(x: Tensor): Tensor {
    const y = this.squeeze.call(x).relu();
    return this.classifier.call(cat([this.expand1x1.call(y), this.expand3x3.call(y)], 1)).flatten(1);
  }
}

/** Huang et al. 2017: every layer reads all before it. */
class DenseNet extends Module<Tensor> {
  readonly stem = new Conv2d(3, 8, 3, { padding: 1 });
  readonly layer1 = new Conv2d(8, 8, 3, { padding: 1 });
  readonly layer2 = new Conv2d(16, 8, 3, { padding: 1 });
  readonly layer3 = new Conv2d(24, 8, 3, { padding: 1 });
  readonly fc = new Linear(32, 10);

  forward(x: Tensor): Tensor {
    const maps = [this.stem.call(x)];
    for (const layer of [this.layer1, this.layer2, this.layer3]) maps.push(layer.call(cat(maps, 1)).relu());
    return this.fc.call(cat(maps, 1).mean([2, 3]));
  }
}

const networks = {
  ResNet: () => new ResNet(),
  GatedNet: () => new GatedNet(),
  FireNet: () => new FireNet(),
  DenseNet: () => new DenseNet(),
};

describe.each(LEVELS)("level %s", (level) => {
  it.each(Object.entries(networks))("%s is clean and legible, whether traced or imported", (_, make) => {
    const model = make();
    const traced = trace(model, IMAGE);
    const { graph } = decode(encode(traced.graph, { weights: model.stateDict() }));
    for (const source of [traced, { graph }]) {
      const drawn = sceneOf(source, { level });
      expect(problems(drawn)).toEqual([]);
      expect(tooSmall(drawn)).toEqual([]);
    }
  });
});

describe("what is drawn", () => {
  const written = (model: Module) => sceneOf(trace(model, IMAGE)).texts.map(({ text }) => text);

  it("shapes that stay are left out where the page is too narrow for all, others never", () => {
    // the depthwise convolution, the gated maps and the sum have the shape that they read
    expect(written(new GatedNet()).filter((text) => text === "672×32×32").length).toBe(2);
    expect(written(new ResNet()).filter((text) => text === "16×64×64").length).toBeGreaterThan(4);
  });

  it("a block that is flattened outside leads on", () => {
    const drawn = sceneOf(trace(new FireNet(), IMAGE), { level: "block" });
    const [classifier] = drawn.boxes.filter(({ item }) => item.title === "classifier");
    expect(classifier!.miniature!.length).toBe(2);
    expect(drawn.wires.filter(({ from }) => from === classifier!.item).map(({ to }) => to!.role)).toEqual(["output"]);
  });
});
