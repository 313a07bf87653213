import {
  check,
  type DType,
  type Graph,
  isStatic,
  itemSize,
  numel,
  type Shape,
  type TensorData,
  tensor,
} from "../graph/index.ts";
import {
  auxiliaryWeight,
  labelProbabilities,
  type Module,
  mainOutputName,
  namedOutputs,
  probabilities,
  type Tensor,
  Tracer,
} from "../nn/index.ts";
import { foldBatchNorm, lowerBatchStatistics, simplify } from "../passes/index.ts";
import { DropoutTracer } from "./dropout.ts";
import { encode } from "./encode.ts";
import { OnnxModule } from "./module.ts";

/** What is done to images before the network, as part of the exported graph: `(pixels · scale − mean) / std` per channel. */
export interface Preprocess {
  /** Per channel, on the scale that `scale` leads to. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Factor on the numbers that come in. Default 1/255. */
  readonly scale?: number;
  /** Type of the numbers that come in. Default `"uint8"`. */
  readonly dtype?: "uint8" | "float32";
  /** Order of axes that come in. Default `"NCHW"`; decoded images are `"NHWC"`. */
  readonly layout?: "NCHW" | "NHWC";
}

/** What the graph of a network as it is used begins and ends with. */
export interface InferenceOptions {
  /** Shape that the network takes, such as `["N", 3, 224, 224]`; the name stands for any batch size. */
  input: Shape;
  /** End in probabilities [N, K], as the output "probabilities". Default: in what the network gives. */
  softmax?: boolean;
  /** The same for several labels per image: a probability for each of them. Default false. */
  sigmoid?: boolean;
  /** Start from pixels. */
  preprocess?: Preprocess;
  /** Keep auxiliary classifiers, which serve training. Default false. */
  aux?: boolean;
  /** Keep dropout, which does nothing in inference, so that the network can be trained where it is imported. Default false. */
  dropout?: boolean;
}

/** How a network is written as an .onnx file. */
export interface ExportOptions extends InferenceOptions {
  /** Default: those of the model. */
  weights?: ReadonlyMap<string, TensorData>;
  /** Make batch normalization part of the convolution before it. Default false. */
  foldBatchNorm?: boolean;
  /** Leave the weights in another file, next to the model. */
  external?: {
    /** Its path, relative to the model. */
    readonly location: string;
    /** Where each of the weights lies in it, in bytes; see `safetensorsLayout`. */
    readonly layout: (
      weights: ReadonlyMap<string, TensorData>,
    ) => ReadonlyMap<string, { readonly offset: number; readonly length: number }>;
  };
  metadata?: Readonly<Record<string, string>>;
}

/** A network as an .onnx file, with what the file was made of. */
export interface Exported {
  /** The .onnx file. */
  readonly bytes: Uint8Array;
  readonly graph: Graph;
  /** Numbers of the graph's parameters, as the file has them or as the other file has to have them. */
  readonly weights: ReadonlyMap<string, TensorData>;
}

/**
 * A network as it is used, as an .onnx file (opset 17) that every ONNX runtime reads.
 *
 *     const { bytes } = exportOnnx(model, { input: ["N", 3, 224, 224], softmax: true });
 *
 * Throws if a weight is missing, or if the means and deviations of `preprocess` do not fit the channels.
 */
export function exportOnnx(model: Module, options: ExportOptions): Exported {
  const { weights: given = model.stateDict(), foldBatchNorm: fold = false, external, metadata } = options;
  const traced = inferenceGraph(model, options);
  const { graph, weights: all } = fold ? foldBatchNorm(traced, given) : { graph: traced, weights: given };
  const weights = new Map(
    graph.parameters.map(({ name }) => {
      const data = all.get(name);
      check(data, () => `exportOnnx: the weights lack "${name}"`);
      return [name, data];
    }),
  );
  const layout = external?.layout(weights);
  const elsewhere =
    external &&
    layout &&
    new Map(
      graph.parameters.map(({ name, dtype, shape }) => {
        const place = layout.get(name);
        const bytes = numel(shape as number[]) * itemSize(dtype);
        check(
          place?.length === bytes,
          () =>
            `exportOnnx: ${external.location} ${place ? `holds ${place.length} bytes of` : "lacks"} "${name}", which takes ${bytes}`,
        );
        return [name, { location: external.location, offset: place.offset, length: bytes }];
      }),
    );
  const bytes = encode(graph, { weights, ...(elsewhere && { external: elsewhere }), ...(metadata && { metadata }) });
  return { bytes, graph, weights };
}

/**
 * The graph of a network as it is used: from an image, or its pixels, to scores or probabilities.
 *
 *     images [N, C, H, W], or pixels [N, H, W, C] → logits [N, K], or probabilities [N, K]
 *
 * The input is called as in the .onnx file that the network came from, else "input". Auxiliary outputs are left out by default.
 */
export function inferenceGraph(
  model: Module,
  { input, softmax = false, sigmoid = false, preprocess, aux = false, dropout = false }: InferenceOptions,
): Graph {
  const tracer = dropout ? new DropoutTracer(model) : new Tracer(model);
  const [name = "input"] = model instanceof OnnxModule ? model.inputs.keys() : [];
  const x = preprocess ? normalized(tracer, { name, shape: input }, preprocess) : tracer.input(name, input);
  const outputs = Object.entries(namedOutputs(tracer.call(model, [x])));
  const wanted = outputs.filter(
    ([name]) => aux || outputs.length === 1 || auxiliaryWeight(model.spec, name) === undefined,
  );
  check(wanted[0], () => `${model.type}: has auxiliary outputs only`);
  const main = mainOutputName(wanted.map(([name]) => name));
  wanted.forEach(([name, y]) => {
    if ((softmax || sigmoid) && name === main)
      tracer.graph.output("probabilities", (sigmoid ? labelProbabilities : probabilities)(y).value);
    else tracer.graph.output(name, y.value);
  });
  const graph = lowerBatchStatistics(tracer.graph);
  // dropout would be simplified away
  if (!(tracer instanceof DropoutTracer)) return simplify(graph);
  tracer.checkElements("exportOnnx");
  return graph;
}

/** (x·scale − mean) / std as one multiplication and one addition per channel. */
function normalized(
  tracer: Tracer,
  input: { readonly name: string; readonly shape: Shape },
  options: Preprocess,
): Tensor {
  const [N, C, H, W] = input.shape;
  const { mean, std, scale = 1 / 255, dtype = "uint8", layout = "NCHW" } = options;
  check(
    N !== undefined && C !== undefined && H !== undefined && W !== undefined && isStatic([C]),
    () => "preprocess: the shape has to be that of images [N, C, H, W]",
  );
  check(
    mean.length === C && std.length === C,
    () =>
      `preprocess: the network takes ${C} channels, but there are ${mean.length} means and ${std.length} deviations`,
  );
  const { ops } = tracer;
  const pixels = tracer.input(input.name, layout === "NHWC" ? [N, H, W, C] : [N, C, H, W], dtype as DType);
  ops.scope = "preprocess";
  const perChannel = (numbers: readonly number[]) =>
    ops.constant(tensor("float32", [1, numbers.length, 1, 1], Float32Array.from(numbers)));
  const planes = layout === "NHWC" ? ops.transpose(pixels.value, [0, 3, 1, 2]) : pixels.value;
  const scaled = ops.mul(ops.cast(planes, "float32"), perChannel(std.map((deviation) => scale / deviation)));
  const y = ops.add(scaled, perChannel(mean.map((value, c) => -value / std[c]!)));
  ops.scope = "";
  return pixels.wrap(y);
}
