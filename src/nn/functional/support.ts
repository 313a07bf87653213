import { check, numel } from "../../graph/index.ts";
import type { Tensor } from "../tensor.ts";

/** A constant vector or tensor all of whose elements are equal. */
export function filled(x: Tensor, shape: readonly number[], value: number): Tensor {
  const data = new Float32Array(numel(shape)).fill(value);
  return x.wrap(x.tracer.ops.constant({ dtype: "float32", shape, data }));
}

/** Lets a running statistic follow that of a batch: running + momentum·(batch − running) is its value after the step. */
export function follow(running: Tensor, batch: Tensor, momentum: number): void {
  const { tracer, value } = running;
  check(
    tracer.graph.parameters.includes(value),
    () => "running statistics have to be buffers of the network, such as x.tracer.weight(this.running_mean)",
  );
  const latest = tracer.updates.get(value.name) ?? running;
  tracer.updates.set(value.name, latest.mul(1 - momentum).add(batch.mul(momentum)));
}
