import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tensor } from "../../src/graph/index.ts";
import {
  crossEntropy,
  Flatten,
  Identity,
  Sequential,
  Softmax,
  type Tensor,
  Tracer,
  trace,
} from "../../src/nn/index.ts";
import { logSoftmax } from "../../src/passes/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { family } from "../support/family.ts";
import { checkFamily } from "../support/gradients.ts";

const sizes = fc.record({ K: fc.integer({ min: 2, max: 6 }), images: fc.boolean() });

describe("crossEntropy", () => {
  it.each([
    ["logits", (x: Tensor) => x],
    ["probabilities", (x: Tensor) => x.softmax(1)],
    ["flattened probabilities", (x: Tensor) => x.softmax(1).flatten(1)],
    ["log-probabilities", (x: Tensor) => x.logSoftmax(1)],
  ] as const)("of %s is PyTorch's", (_, end) =>
    checkFamily(
      family(sizes, ({ K, images }, N, draw) => {
        const target = draw.uniform([N, K], 0, 1);
        return {
          inputs: [draw.uniform([N, K, ...(images ? [1, 1] : [])], -3, 3), target],
          batched: [0, 1],
          wrt: [0],
          build: ([x, t]) => crossEntropy(end(x!), t!),
          // PyTorch's takes probabilities as targets, too, but these need not sum to 1
          torch: "-(x[0].flatten(1).log_softmax(1) * x[1]).sum(1).mean()",
        };
      }),
    ),
  );

  it.each([[new Softmax(1)], [new Sequential(new Softmax(1), new Flatten())]])(
    "of probabilities stays finite when they underflow",
    async (model) => {
      const { tracer, outputs } = trace(model, ["N", 2, 1, 1], { training: true });
      const loss = crossEntropy(outputs.output!, tracer.input("target", ["N", 2]));
      tracer.graph.outputs.clear();
      tracer.graph.output("loss", loss.value);
      const executable = await nodeEngine({ threads: 1 }).compile(logSoftmax(tracer.graph));
      const { loss: result } = await executable.run({
        input: tensor("float32", [1, 2, 1, 1], Float32Array.of(0, 500)),
        target: tensor("float32", [1, 2], Float32Array.of(1, 0)),
      });
      expect((await result!.read()).data[0]).toBe(500);
      await executable.dispose();
    },
  );

  it("refuses labels as whole numbers, and targets of another width", () => {
    const tracer = new Tracer(new Identity());
    const x = tracer.input("x", ["N", 3]);
    expect(() => crossEntropy(x, tracer.input("labels", ["N"], "int64"))).toThrow(
      "crossEntropy: the target is int64[N], but has to be float32[N, 3], the probabilities of the classes; of labels: oneHot(labels, 3)",
    );
    expect(() => crossEntropy(x, tracer.input("narrow", ["N", 2]))).toThrow("the target is float32[N, 2]");
  });

  it("needs one score per class", () => {
    const tracer = new Tracer(new Identity());
    const [x, target] = [tracer.input("x", ["N", 3, 2, 2]), tracer.input("target", ["N", 3])];
    expect(() => crossEntropy(x, target)).toThrow("a classifier has to give [N, classes], but gives [N, 3, 2, 2]");
  });
});
