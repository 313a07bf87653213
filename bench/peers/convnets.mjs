// in plain JavaScript, from the built package: as users run it
import { createModel, oneHot, sgd, TrainingStep, trace } from "../../dist/bundle/index.js";
import { nodeEngine } from "../../dist/bundle/node.js";
import { pictures, serve } from "./protocol.mjs";

const { BENCH_THREADS } = process.env;

await serve(async ({ network, mode, batch, size }) => {
  const model = createModel(network).initialize(1);
  const shape = [batch, 3, size, size];
  const input = { dtype: "float32", shape, data: pictures(batch * 3 * size * size) };
  const engine = nodeEngine(BENCH_THREADS ? { threads: Number(BENCH_THREADS) } : {});
  if (mode === "infer") {
    const executable = await engine.compile(trace(model, ["N", 3, size, size]).graph, { weights: model.stateDict() });
    return async () => {
      await executable.run({ input });
    };
  }
  const optimizer = sgd({ momentum: 0.9, weightDecay: 5e-4 });
  const step = await TrainingStep.create(model, { engine, input: ["N", 3, size, size], optimizer, dropout: false });
  const target = oneHot(
    Array.from({ length: batch }, (_, i) => i % 10),
    step.numClasses,
  );
  return async () => {
    await step.run({ input, target }, 0.001);
  };
});
