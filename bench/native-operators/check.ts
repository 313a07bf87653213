/** Holds the native step to the product's own. */
import { createModel, oneHot, sgd, type TensorData, TrainingStep } from "convnets";
import { nodeEngine } from "convnets/node";
import { type NativeStepOptions, nativeStep } from "./step.ts";

export interface Checked extends NativeStepOptions {
  readonly network: string;
  readonly steps: number;
  readonly lr: number;
}

/** What is compared of the state. Gradients of biases in front of batch normalization are 0 up to rounding, so they say nothing. */
const GROUPS = {
  weights: /^(?!momentum_buffer:).*weight$/,
  "running statistics": /running_(mean|var)$/,
  "momentum of weights": /^momentum_buffer:.*weight$/,
} as const;

/** Largest relative distance of two losses. */
const LOSSES = 1e-4;
/** Relative change of the weights that shows how far rounding alone carries. */
const ROUNDING = 1e-7;

interface Trained {
  readonly losses: readonly number[];
  readonly state: (name: string) => Float32Array;
}

/** Independent pixels, so that no channel is nearly constant; a generator of Lehmer's. */
function noise(length: number): Float32Array {
  let seed = 1;
  return Float32Array.from({ length }, () => {
    seed = (seed * 48271) % 2147483647;
    return (seed / 2147483647) * 4 - 2;
  });
}

/** |a − b| / |b|, as lengths of vectors. */
function distance(a: Float32Array, b: Float32Array): number {
  let [difference, length] = [0, 0];
  for (const [i, value] of b.entries()) {
    difference += (a[i]! - value) ** 2;
    length += value ** 2;
  }
  return Math.sqrt(difference / Math.max(length, 1e-12));
}

const lossDistance = (a: Trained, b: Trained) =>
  Math.max(...a.losses.map((loss, i) => Math.abs(loss - b.losses[i]!) / Math.abs(b.losses[i]!)));

/**
 * Trains the native step, the product's, and the product's again from weights that differ by rounding, and prints how far losses and
 * state are from those of the product. Throws if the losses differ by more than 1e-4, and by more than three times what rounding does.
 */
export async function check(given: Checked): Promise<void> {
  const { network, batch, side, steps, threads, lr, momentum, weightDecay } = given;
  const images = noise(batch * 3 * side * side);
  const model = (change: number) => {
    const made = createModel(network).initialize(1);
    const changed = [...made.stateDict()].map(([key, tensor]): [string, TensorData] => {
      if (tensor.dtype !== "float32") return [key, tensor];
      return [
        key,
        { ...tensor, data: (tensor.data as Float32Array).map((value, i) => value * (1 + change * Math.sin(i))) },
      ];
    });
    return change === 0 ? made : made.loadStateDict(new Map(changed));
  };
  const target = (classes: number) =>
    oneHot(
      Array.from({ length: batch }, (_, i) => i % 10),
      classes,
    );

  const product = async (change: number): Promise<Trained> => {
    const optimizer = sgd({ momentum, weightDecay });
    const engine = nodeEngine({ threads });
    const options = { engine, input: ["N", 3, side, side], optimizer, dropout: false } as const;
    const step = await TrainingStep.create(model(change), options);
    const input = { dtype: "float32", shape: [batch, 3, side, side], data: images } as const;
    const losses: number[] = [];
    for (let i = 0; i < steps; i++) losses.push((await step.run({ input, target: target(step.numClasses) }, lr)).loss);
    const state = await step.state();
    await step.dispose();
    return { losses, state: (name) => state.get(name)!.data as Float32Array };
  };

  const step = await nativeStep(model(0), given);
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) losses.push(await step.run(images, target(step.classes).data as Float32Array, lr));
  const native: Trained = { losses, state: step.state };
  const reference = await product(0);
  const rounded = await product(ROUNDING);

  for (const [i, loss] of losses.entries())
    console.log(`step ${i + 1}: loss ${loss.toFixed(6)}, product ${reference.losses[i]!.toFixed(6)}`);
  const [apart, byRounding] = [lossDistance(native, reference), lossDistance(rounded, reference)];
  console.log("relative distances from the product: native; the product with weights changed by 1e-7");
  console.log(`losses: ${apart.toExponential(1)}; ${byRounding.toExponential(1)}`);
  for (const [group, pattern] of Object.entries(GROUPS)) {
    const names = step.stateNames.filter((name) => pattern.test(name));
    const furthest = (trained: Trained) =>
      Math.max(...names.map((name) => distance(trained.state(name), reference.state(name))));
    if (names.length > 0)
      console.log(`${group}: ${furthest(native).toExponential(1)}; ${furthest(rounded).toExponential(1)}`);
  }
  step.close();
  if (apart > Math.max(LOSSES, 3 * byRounding)) throw new Error(`the losses are ${apart} apart`);
}
