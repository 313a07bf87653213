import { createContext, runInContext } from "node:vm";
import { afterAll, describe, expect, expectTypeOf, it } from "vitest";
import { type TensorData, tensor, zeros } from "../../src/graph/index.ts";
import { compile, type Predictor, type PredictorInput, type PredictorOptions } from "../../src/infer/index.ts";
import {
  BatchNorm2d,
  Conv2d,
  Dropout,
  Flatten,
  Linear,
  Module,
  type Output,
  Sequential,
  type Tensor,
} from "../../src/nn/index.ts";
import { exportOnnx, onnxModule } from "../../src/onnx/index.ts";
import { Random } from "../../src/random.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";

const engine = nodeEngine({ threads: 1 });
const compiled: Predictor<never>[] = [];
async function make<Out extends Output>(model: Module<Out>, options: Partial<PredictorOptions> = {}) {
  const predict = await compile(model, { engine, ...options });
  compiled.push(predict as Predictor<never>);
  return predict;
}
afterAll(() => Promise.all(compiled.map((predict) => predict.dispose())));

const small = () =>
  new Sequential(
    new Conv2d(3, 4, 3, { stride: 2 }),
    new BatchNorm2d(4),
    new Dropout(0.5),
    new Flatten(),
    new Linear(4 * 3 * 3, 5),
  ).initialize(1);

class TwoHeads extends Module<{ logits: Tensor; aux1: Tensor }> {
  body = new Linear(4, 3);
  side = new Linear(4, 2);
  forward(x: Tensor) {
    return { aux1: this.side.call(x), logits: this.body.call(x) };
  }
}

/** a − b through two inputs that cannot be exchanged */
class Difference extends Module<Tensor> {
  scale = new Linear(2, 2, { bias: false });
  forward(a: Tensor, b: Tensor): Tensor {
    return this.scale.call(a.sub(b));
  }
}

function images(N: number, size = 8): TensorData<"float32"> {
  const x = zeros("float32", [N, 3, size, size]);
  const random = new Random(7);
  for (let i = 0; i < x.data.length; i++) x.data[i] = random.normal();
  return x;
}

const identity = tensor("float32", [2, 2], Float32Array.of(1, 0, 0, 1));

describe("compile", () => {
  it("gives a tensor for a network with one output, whatever the batch", async () => {
    const predict = await make(small());
    const one = await predict(images(1));
    expectTypeOf(one).toEqualTypeOf<TensorData<"float32">>();
    expect(one.shape).toEqual([1, 5]);
    const three = await predict(images(3));
    expect(three.shape).toEqual([3, 5]);
    for (const [k, value] of one.data.entries()) expect(three.data[k]).toBeCloseTo(value, 5);
  });

  it("gives a record by name for several outputs, and the main one by itself", async () => {
    const predict = await make(new TwoHeads().initialize(1));
    const x = tensor("float32", [2, 4], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    const { logits, aux1 } = await predict(x);
    expectTypeOf(logits).toEqualTypeOf<TensorData<"float32">>();
    expect([logits.shape, aux1.shape]).toEqual([
      [2, 3],
      [2, 2],
    ]);
    expect(await predict.main(x)).toEqual(logits);
  });

  it("takes several inputs by name, in the order of forward or as they are named", async () => {
    const a = tensor("float32", [1, 2], Float32Array.of(5, 7));
    const b = tensor("float32", [1, 2], Float32Array.of(1, 2));
    const model = new Difference().loadStateDict(new Map([["scale.weight", identity]]));
    expect([...(await (await make(model))({ a, b })).data]).toEqual([4, 5]);
    const predict = await make(model, { inputs: ["a", "b"] });
    expect([...(await predict({ b, a })).data]).toEqual([4, 5]);
    await expect(predict({ a })).rejects.toThrow('predict: the input "b" is missing; the network takes "a", "b"');
    await expect(predict({ a, c: b })).rejects.toThrow('the input "b" is missing, and there is no input "c"');
    await expect(predict(a)).rejects.toThrow('the input "b" is missing');
  });

  it("computes a network from an .onnx file under the file's names", async () => {
    const model = small();
    const predict = await make(model);
    const file = exportOnnx(model, { input: ["N", 3, 8, 8] }).bytes;
    const imported = await make(onnxModule(file));
    const x = images(2);
    const wanted = (await predict(x)).data;
    for (const given of [x, { input: x }] as const) {
      const found = await imported.main(given);
      for (const [i, value] of wanted.entries()) expect(found.data[i]).toBeCloseTo(value, 5);
    }
    await expect(imported({ image: x })).rejects.toThrow('there is no input "image"; the network takes "input"');
  });

  it("computes in evaluation form, with the weights given or those of the network when it was compiled", async () => {
    const model = small().train();
    const predict = await make(model);
    const before = await predict(images(2));
    expect(await predict(images(2))).toEqual(before);
    const others = small().initialize(2).stateDict();
    model.loadStateDict(others);
    expect(await predict(images(2))).toEqual(before);
    expect(await (await make(small(), { weights: others }))(images(2))).toEqual(await (await make(model))(images(2)));
    const lacking = new Map([...others].filter(([key]) => !key.startsWith("4.")));
    await expect((await make(small(), { weights: lacking }))(images(2))).rejects.toThrow(
      "predict: the weights lack 4.weight, 4.bias",
    );
  });

  it("takes plain arrays and typed arrays of another realm", async () => {
    const predict = await make(new TwoHeads().initialize(1));
    const data = [1, 2, 3, 4];
    const foreign = runInContext("Float32Array.of(1, 2, 3, 4)", createContext()) as Float32Array<ArrayBuffer>;
    expect(foreign).not.toBeInstanceOf(Float32Array);
    const wanted = await predict(tensor("float32", [1, 4], Float32Array.from(data)));
    for (const given of [data, foreign, Float64Array.from(data)])
      expect(await predict({ shape: [1, 4], data: given })).toEqual(wanted);
  });

  it("says what does not fit", async () => {
    const predict = await make(small());
    const of = (...shape: number[]) => predict(zeros("float32", shape));
    await expect(of(1, 4, 8, 8)).rejects.toThrow(/predict: the network does not take "input" \[1, 4, 8, 8\].*4/);
    await expect(of(1, 8, 8, 3)).rejects.toThrow("this looks like [N, H, W, C], but images are [N, C, H, W]");
    await expect(of(3, 8, 8)).rejects.toThrow("give a single image the shape [1, C, H, W]");
    await expect(predict(zeros("uint8", [1, 3, 8, 8]) as never)).rejects.toThrow(
      '"input" is uint8[1, 3, 8, 8]; a network takes float32 numbers',
    );
    await expect(predict({ shape: [1, 3, 8, 8], data: [1, 2] })).rejects.toThrow("takes 192 numbers, but has 2");
    await expect(predict(new Float32Array(192) as unknown as PredictorInput)).rejects.toThrow(
      'has to be a tensor, such as tensor("float32", [1, 3, 32, 32], data), but is Float32Array',
    );
    await expect(predict({})).rejects.toThrow("no input was given");
    await expect(compile(small(), {} as never)).rejects.toThrow("an engine is needed");
  });

  it("keeps the forms of eight sizes, and computes all others again", async () => {
    const predict = await make(new Sequential(new Conv2d(3, 2, 3)).initialize(1));
    const sizes = Array.from({ length: 12 }, (_, i) => 4 + i);
    const shapes = async () => (await Promise.all(sizes.map((size) => predict(images(1, size))))).map((y) => y.shape);
    const wanted = sizes.map((size) => [1, 2, size - 2, size - 2]);
    expect(await shapes()).toEqual(wanted);
    expect(await shapes()).toEqual(wanted);
  });

  it("traces networks that are written for one batch size for each size that comes", async () => {
    class Fixed extends Module<Tensor> {
      fc = new Linear(12, 2);
      forward(x: Tensor): Tensor {
        if (typeof x.shape[0] !== "number") throw new Error("needs a batch size");
        return this.fc.call(x.view(x.shape[0], 12));
      }
    }
    const predict = await make(new Fixed().initialize(1));
    for (const N of [2, 3, 2]) expect((await predict(images(N, 2))).shape).toEqual([N, 2]);
  });

  it("cannot be used after dispose", async () => {
    const predict = await compile(small(), { engine });
    await predict(images(1));
    await predict.dispose();
    await expect(predict(images(1))).rejects.toThrow("predict: was disposed; compile the network again");
  });
});
