/** The native step as a peer of bench/peers, on all cores. */
import { availableParallelism } from "node:os";
import { createModel, oneHot } from "convnets";
import { pictures, serve } from "../peers/protocol.mjs";
import { nativeStep } from "./step.ts";

await serve(async ({ network, mode, batch, size }) => {
  if (mode !== "train") return undefined;
  const step = await nativeStep(createModel(network).initialize(1), {
    batch,
    side: size,
    threads: availableParallelism(),
    momentum: 0.9,
    weightDecay: 5e-4,
  });
  const images = pictures(batch * 3 * size * size);
  const labels = Array.from({ length: batch }, (_, i) => i % 10);
  const target = oneHot(labels, step.classes).data as Float32Array;
  return async () => {
    await step.run(images, target, 0.001);
  };
});
