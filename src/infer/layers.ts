import { check, nearest, type Value } from "../graph/index.ts";
import { classScores, type ModuleCall, mainOutput, outputForm, type Tensor, type Trace } from "../nn/index.ts";

/**
 * The outputs of layers, blocks and operators, by the name that `diagram` gives them: `"features.0"`, `"relu~2"` for the second call of a
 * module, `"layer1.0/Add"` for an operator between layers. The network as a whole is `""`.
 */
export function layerValues({ graph, root }: Trace): ReadonlyMap<string, Value> {
  const found = new Map<string, Value>();
  const count = new Map<string, number>();
  const add = (name: string, value: Value | undefined) => {
    if (!value?.dtype.startsWith("float")) return;
    const number = (count.get(name) ?? 0) + 1;
    count.set(name, number);
    found.set(number === 1 ? name : `${name}~${number}`, value);
  };
  const blocks = new Set<string>();
  const visit = (call: ModuleCall): void => {
    if (call.calls.length > 0) blocks.add(call.path);
    for (const child of call.calls) visit(child);
    add(call.path, call.outputs[0]);
  };
  visit(root);
  for (const { scope, op, outputs } of graph.nodes) if (blocks.has(scope)) add(`${scope}/${op}`, outputs[0]);
  return found;
}

/** The output of one layer. Throws for an unknown name, suggesting a known one. */
export function layerValue(values: ReadonlyMap<string, Value>, name: string): Value {
  const found = values.get(name);
  check(found, () => {
    const near = nearest(name, [...values.keys()]);
    const names = [...values.keys()].filter((one) => one !== "");
    return `there is no layer "${name}"; ${near ? `did you mean "${near}"?` : `the layers are ${names.slice(0, 8).join(", ")}${names.length > 8 ? ", …" : ""}`}`;
  });
  return found;
}

/** Whether a value holds maps: [N, C, H, W] with more than one pixel. */
export const hasMaps = ({ shape }: Value): boolean =>
  shape.length === 4 && shape.slice(2).some((size) => typeof size !== "number" || size > 1);

/** Name of the last layer before the scores that still has maps; Grad-CAM is usually taken there. */
export function lastMaps({ graph, outputs }: Trace, values: ReadonlyMap<string, Value>): string {
  const names = new Map<Value, string>();
  // a block and its last layer have the same output: the shortest name says most
  for (const [name, value] of values)
    if (name !== "" && name.length < (names.get(value)?.length ?? Infinity)) names.set(value, name);
  const queue: (Value | undefined)[] = [mainOutput(outputs).value];
  for (let value = queue.shift(); value; value = queue.shift()) {
    const name = names.get(value);
    if (name !== undefined && hasMaps(value)) return name;
    queue.push(...(graph.producer(value)?.inputs ?? []).filter((one) => one && one.shape.length >= 2));
  }
  throw new Error("no layer of the network has maps, that is, an output [N, C, H, W] of more than one pixel");
}

/** The scores of the classes before softmax or sigmoid: x → y [N, K] */
export function rawScores(outputs: Readonly<Record<string, Tensor>>): Tensor {
  const { form, end } = outputForm(mainOutput(outputs));
  const before = form === "scores" ? undefined : end.tracer.graph.producer(end.value)?.inputs[0];
  return classScores(before ? end.wrap(before) : end);
}
