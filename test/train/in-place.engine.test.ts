import { expect, test } from "vitest";
import { Graph, tensor } from "../../src/graph/index.ts";
import { BatchNorm2d, Conv2d, Flatten, Linear, ReLU, Sequential } from "../../src/nn/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { adamw, sgd } from "../../src/optim/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { writesLast } from "../../src/train/in-place.ts";
import { oneHot, TrainingStep } from "../../src/train/index.ts";

const engine = nodeEngine({ threads: 1 });

const network = () =>
  new Sequential(new Conv2d(1, 4, 1), new BatchNorm2d(4), new ReLU(), new Flatten(), new Linear(256, 10)).initialize(1);

/** The state after some steps, the losses, and the network. */
async function trained(optimizer: ReturnType<typeof sgd | typeof adamw>, inPlace: boolean) {
  const model = network();
  const options = { engine, input: ["N", 1, 8, 8], optimizer, clipNorm: 1, ema: 0.9, inPlace };
  const step = await TrainingStep.create(model, options);
  const data = Float32Array.from({ length: 2 * 64 }, (_, i) => Math.sin(i));
  const batch = { input: tensor("float32", [2, 1, 8, 8], data), target: oneHot([3, 8], 10) };
  const losses: number[] = [];
  for (const batches of [[batch], [batch], [batch, batch]]) losses.push((await step.run(batches, 0.01)).loss);
  const state = await step.state();
  await step.dispose();
  return { losses, state, model };
}

test.each([
  ["sgd", sgd({ momentum: 0.9, weightDecay: 5e-4, nesterov: true })],
  ["adamw", adamw({ weightDecay: 0.01 })],
])("a state updated in place is that of two sets of buffers, to the bit: %s", async (_, optimizer) => {
  const inPlace = await trained(optimizer, true);
  const swapped = await trained(optimizer, false);
  expect(inPlace.losses).toEqual(swapped.losses);
  expect(inPlace.state).toEqual(swapped.state);
  // the weights that training started from belong to the network
  expect(inPlace.model.stateDict()).toEqual(network().stateDict());
});

test("a state that is read after it is written, or moved while it is, cannot be updated in place", () => {
  const check = (build: (g: Ops, w: ReturnType<Graph["input"]>) => void) => {
    const graph = new Graph("update");
    const g = new Ops(graph);
    build(g, graph.input("w", "float32", [4]));
    return writesLast(graph, ["w"]);
  };
  expect(check((g, w) => g.graph.output("next:w", g.sub(w, g.mul(w, g.scalar(0.1)))))).toBe(true);
  expect(check((g, w) => g.graph.output("next:w", g.one("Gather", [w, g.ints([3, 2, 1, 0])])))).toBe(false);
  const read = check((g, w) => {
    g.graph.output("next:w", g.sub(w, g.scalar(1)));
    g.graph.output("other", g.mul(w, w));
  });
  expect(read).toBe(false);
});
