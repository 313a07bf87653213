/** A training step on the native operators, with its state in place. */
import { createRequire } from "node:module";
import { type Graph, isStatic, numel, type TensorType, uniqueNames } from "../../src/graph/index.ts";
import type { Module } from "../../src/nn/index.ts";
import { encode } from "../../src/onnx/index.ts";
import { encodeModel } from "../../src/onnx/proto.ts";
import { ONNX_TYPE } from "../../src/operators/index.ts";
import { sgd } from "../../src/optim/index.ts";
import { lower, simplify } from "../../src/passes/index.ts";
import { blockSize } from "../../src/runtime/node/block.ts";
import { trainingGraphs } from "../../src/train/training-graph.ts";
import { DOMAIN, nativeSgd, withNativeGradients } from "./gradients.ts";
import { load, type Memory, type SessionOptions } from "./library.ts";
import { nativeForm } from "./native-form.ts";
import { nativeLayout } from "./native-layout.ts";

export interface NativeStepOptions extends Omit<SessionOptions, "plan"> {
  readonly batch: number;
  readonly side: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /** Whether transpositions are native too. Default true. */
  readonly layout?: boolean;
}

export interface NativeStep {
  readonly graph: Graph;
  /** Nodes of the product's own step. */
  readonly productNodes: () => number;
  readonly classes: number;
  /** Loss before the update. */
  run(images: Float32Array, target: Float32Array, lr: number): Promise<number>;
  readonly stateNames: readonly string[];
  /** Current numbers of a state tensor. */
  state(name: string): Float32Array;
  close(): void;
}

/** As in the product: small networks have their memory planned. */
const LARGE = 2 ** 28;

/**
 * The shapes of what the native operators give, which ONNX Runtime cannot infer, as a model to be appended: messages of protobuf
 * that stand one behind the other are merged.
 */
function shapesOf(graph: Graph): Uint8Array {
  const names = uniqueNames(graph);
  const outputs = new Set(graph.outputs.values());
  const values = graph.nodes.filter(({ domain }) => domain === DOMAIN).flatMap((node) => node.outputs);
  const valueInfo = values
    .filter((value) => !outputs.has(value))
    .map((value) => ({
      name: names.get(value)!,
      type: {
        tensorType: {
          elemType: ONNX_TYPE[value.dtype],
          shape: { dim: value.shape.map((dim) => (typeof dim === "number" ? { dimValue: dim } : { dimParam: dim })) },
        },
      },
    }));
  return encodeModel({ graph: { valueInfo } } as unknown as Parameters<typeof encodeModel>[0]);
}

function productNodes(model: Module, { side, momentum, weightDecay }: NativeStepOptions, block: number | undefined) {
  const optimizer = sgd({ momentum, weightDecay });
  const { step } = trainingGraphs(model, { input: ["N", 3, side, side], optimizer, dropout: false });
  return simplify(lower(step, "cpu", { block })).nodes.length;
}

/** Compiles a network's step. `batch` is open in the graph, as it is in the product's. */
export async function nativeStep(model: Module, options: NativeStepOptions): Promise<NativeStep> {
  const { batch, side, momentum, weightDecay, threads, profile, layout = true } = options;
  const optimizer = nativeSgd(momentum, weightDecay);
  const graphs = withNativeGradients(() =>
    trainingGraphs(model, { input: ["N", 3, side, side], optimizer, dropout: false }),
  );
  const ort = createRequire(import.meta.url)("onnxruntime-node");
  const block = await blockSize(ort);
  const lowered = lower(nativeForm(graphs.step), "cpu", { block });
  const graph = simplify(layout ? nativeLayout(lowered) : lowered);
  const library = load();
  const weightBytes = [...graph.parameters, ...graph.inputs].reduce(
    (sum, { shape }) => sum + (isStatic(shape) ? numel(shape) * 4 : 0),
    0,
  );
  const bytes = Buffer.concat([encode(graph), shapesOf(graph)]);
  const session = library.open(bytes, { threads, plan: weightBytes < LARGE, ...(profile && { profile }) });

  const sized = ({ shape }: TensorType) => shape.map((dim) => (typeof dim === "number" ? dim : batch));
  const weights = model.stateDict();
  const buffers = new Map<string, Memory>();
  const make = (name: string, type: TensorType) => {
    const buffer = library.allocate(numel(sized(type)));
    buffers.set(name, buffer);
    return buffer;
  };
  for (const value of [...graph.parameters, ...graph.inputs]) {
    const buffer = make(value.name, value);
    const start = weights.get(value.name);
    if (start) buffer.floats.set(start.data as Float32Array);
    session.bind(value.name, "input", buffer, sized(value));
  }
  for (const [name, value] of graph.outputs) {
    const inPlace = name.startsWith("next:") ? buffers.get(name.slice("next:".length)) : undefined;
    session.bind(name, "output", inPlace ?? make(name, value), sized(value));
  }
  const numbers = (name: string) => {
    const buffer = buffers.get(name);
    if (!buffer) throw new Error(`the step has no tensor "${name}"`);
    return buffer.floats;
  };
  return {
    graph,
    productNodes: () => productNodes(model, options, block),
    classes: graphs.targetSize[0]!,
    async run(images, target, lr) {
      numbers("input").set(images);
      numbers("target").set(target);
      numbers("lr")[0] = lr;
      await session.run();
      return numbers("loss")[0]!;
    },
    stateNames: [...graphs.state.keys()],
    state: numbers,
    close: () => session.close(),
  };
}
