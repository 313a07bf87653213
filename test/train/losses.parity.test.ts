import fc from "fast-check";
import { describe, it } from "vitest";
import { type TensorData, tensor } from "../../src/graph/index.ts";
import { Flatten, type Tensor } from "../../src/nn/index.ts";
import { Random } from "../../src/random.ts";
import {
  bceWithLogitsLoss,
  crossEntropyLoss,
  distillationLoss,
  type LossContext,
  mseLoss,
} from "../../src/train/index.ts";
import { family } from "../support/family.ts";
import { checkFamily } from "../support/gradients.ts";

const context = { outputs: {} } as LossContext;
const sizes = fc.record({ K: fc.integer({ min: 2, max: 6 }), images: fc.boolean(), seed: fc.nat() });

/** Numbers in [low, high) that depend on a seed only. */
const drawn = (seed: number, count: number, low: number, high: number): number[] => {
  const random = new Random(seed, "losses");
  return Array.from({ length: count }, () => Number((low + (high - low) * random.uniform()).toFixed(3)));
};

/** One-hot rows [N, K]. */
function labels(N: number, K: number, seed: number): TensorData<"float32"> {
  const random = new Random(seed, "labels");
  const data = new Float32Array(N * K);
  for (let n = 0; n < N; n++) data[n * K + random.integer(K)] = 1;
  return tensor("float32", [N, K], data);
}

type End = readonly [name: string, ours: (x: Tensor) => Tensor, theirs: string];
const SCORES: End = ["scores", (x) => x, "x[0].flatten(1)"];

describe("crossEntropyLoss is torch.nn.CrossEntropyLoss", () => {
  const ends: End[] = [SCORES, ["probabilities", (x) => x.softmax(1), "x[0].flatten(1)"]];
  it.each(ends)("of %s, with label smoothing and class weights", (_, end, theirs) =>
    checkFamily(
      family(
        fc.record({ size: sizes, smoothing: fc.constantFrom(0, 0.1), weighted: fc.boolean() }),
        (geometry, N, draw) => {
          const { size, smoothing, weighted } = geometry;
          const { K, images, seed } = size;
          const weight = drawn(seed, K, 0.2, 3);
          const loss = crossEntropyLoss({ labelSmoothing: smoothing, ...(weighted && { weight }) });
          const w = weighted ? `, weight=torch.tensor([${weight}], dtype=torch.float64)` : "";
          return {
            inputs: [draw.uniform([N, K, ...(images ? [1, 1] : [])], -3, 3), labels(N, K, seed)],
            batched: [0, 1],
            wrt: [0],
            build: ([x, t]) => loss.of(end(x!), t!, context),
            torch: `F.cross_entropy(${theirs}, x[1].argmax(1), label_smoothing=${smoothing}${w})`,
          };
        },
      ),
    ),
  );
});

describe("bceWithLogitsLoss is torch.nn.BCEWithLogitsLoss", () => {
  const ends: End[] = [SCORES, ["probabilities", (x) => x.sigmoid(), "x[0].flatten(1)"]];
  it.each(ends)("of %s, with weights of positives", (_, end, theirs) =>
    checkFamily(
      family(fc.record({ size: sizes, weighted: fc.boolean() }), ({ size: { K, images, seed }, weighted }, N, draw) => {
        const posWeight = drawn(seed, K, 0.2, 5);
        const loss = bceWithLogitsLoss(weighted ? { posWeight } : {});
        const w = weighted ? `, pos_weight=torch.tensor([${posWeight}], dtype=torch.float64)` : "";
        return {
          inputs: [draw.uniform([N, K, ...(images ? [1, 1] : [])], -4, 4), draw.uniform([N, K], 0, 1)],
          batched: [0, 1],
          wrt: [0],
          build: ([x, t]) => loss.of(end(x!), t!, context),
          torch: `F.binary_cross_entropy_with_logits(${theirs}, x[1]${w})`,
        };
      }),
    ),
  );
});

it("mseLoss is torch.nn.MSELoss", () =>
  checkFamily(
    family(fc.record({ K: fc.integer({ min: 1, max: 5 }), images: fc.boolean() }), ({ K, images }, N, draw) => ({
      inputs: [draw.uniform([N, K, ...(images ? [1, 1] : [])], -3, 3), draw.uniform([N, K], -3, 3)],
      batched: [0, 1],
      wrt: [0],
      build: ([x, t]) => mseLoss().of(x!, t!, context),
      torch: "F.mse_loss(x[0].flatten(1), x[1])",
    })),
  ));

it("distillationLoss is Hinton's, of the KL divergence of PyTorch", () =>
  checkFamily(
    family(
      fc.record({ K: fc.integer({ min: 2, max: 5 }), T: fc.constantFrom(1, 4), alpha: fc.constantFrom(0, 0.3, 1) }),
      ({ K, T, alpha }, N, draw) => ({
        inputs: [draw.uniform([N, K], -3, 3), draw.uniform([N, K], -3, 3), labels(N, K, N)],
        batched: [0, 1, 2],
        wrt: [0],
        build: ([x, taught, t]) =>
          distillationLoss({ teacher: new Flatten(), temperature: T, alpha }).of(x!, t!, {
            ...context,
            fixed: () => ({ output: taught! }),
          }),
        torch:
          `${alpha} * ${T * T} * F.kl_div((x[0] / ${T}).log_softmax(1), (x[1] / ${T}).softmax(1), reduction="batchmean")` +
          ` + ${1 - alpha} * F.cross_entropy(x[0], x[2].argmax(1))`,
      }),
    ),
  ));
