/** Networks in whole numbers as networks in real numbers: quantized weights become real ones, and rounding is left out. */
import { numel, type TensorData, tensor } from "../graph/index.ts";
import { ensure, quote } from "./error.ts";
import type { AttributeProto, NodeProto } from "./proto.ts";

type Weights = Map<string, TensorData>;

/** What quantized operators become; where the quantized tensors stand among the inputs, each followed by scale and zero point. */
const FLOAT: Readonly<Record<string, { op: string; at: readonly number[]; bias?: number; output?: number }>> = {
  QLinearConv: { op: "Conv", at: [0, 3], bias: 8, output: 6 },
  QLinearMatMul: { op: "MatMul", at: [0, 3], output: 6 },
  QGemm: { op: "Gemm", at: [0, 3], bias: 6, output: 7 },
  QLinearAdd: { op: "Add", at: [0, 3], output: 6 },
  QLinearMul: { op: "Mul", at: [0, 3], output: 6 },
  QLinearGlobalAveragePool: { op: "GlobalAveragePool", at: [0] },
  QLinearAveragePool: { op: "AveragePool", at: [0] },
  QLinearLeakyRelu: { op: "LeakyRelu", at: [0] },
  QLinearSigmoid: { op: "Sigmoid", at: [0] },
};
/** Operators whose outputs are not negative if their inputs are not. */
const KEEPS =
  /^(MaxPool|AveragePool|GlobalAveragePool|GlobalMaxPool|Reshape|Flatten|Transpose|Squeeze|Unsqueeze|Identity|Concat|Dropout)$/;
const POSITIVE = /^(Relu|Sigmoid|Softmax|HardSigmoid|Clip|Abs)$/;

/**
 * The nodes of a graph in real numbers. Weights get the numbers that their integers stand for, under their names without
 * "_quantized". Where 0 is the smallest integer of a layer's output, the exporter has made a ReLU part of it, which is a node again.
 */
export function dequantizeNodes(nodes: readonly NodeProto[], weights: Weights): NodeProto[] {
  return new Dequantizer(nodes, weights).run();
}

class Dequantizer {
  readonly #nodes: readonly NodeProto[];
  readonly #weights: Weights;
  readonly #out: NodeProto[] = [];
  /** Other names of values. */
  readonly #renamed = new Map<string, string>();
  readonly #notNegative = new Set<string>();
  readonly #made = new Set<string>();

  constructor(nodes: readonly NodeProto[], weights: Weights) {
    this.#nodes = nodes;
    this.#weights = weights;
  }

  run(): NodeProto[] {
    const scales = this.#foldDynamicScales();
    for (const node of this.#nodes) this.#node(node, scales);
    return this.#out;
  }

  #node(node: NodeProto, scales: ReadonlyMap<string, TensorData>): void {
    const { opType: op = "", input: inputs = [], output: [y = ""] = [] } = node;
    const rule = Object.hasOwn(FLOAT, op) ? FLOAT[op] : undefined;
    if (op === "QuantizeLinear" || op === "DequantizeLinear") this.#scaled(node);
    else if (op === "DynamicQuantizeLinear") {
      const [, scale = "", zero = ""] = node.output ?? [];
      this.#emit({ opType: "Identity", input: [inputs[0]!], output: [y] });
      this.#weights.set(scale, tensor("float32", [], [1]));
      if (zero !== "") this.#weights.set(zero, tensor("uint8", [], [0]));
    } else if (op === "MatMulInteger" || op === "ConvInteger") {
      const name = this.#real(inputs[1]!, undefined, inputs[3], op === "ConvInteger" ? 0 : -1, scales.get(y));
      this.#emit({
        ...node,
        opType: op.replace("Integer", ""),
        input: [this.#real(inputs[0]!, undefined, inputs[2]), name],
      });
    } else if (op === "QLinearConcat") {
      const parts = inputs.slice(2).filter((_, i) => i % 3 === 0);
      const real = parts.map((part, i) => this.#real(part, inputs[3 + 3 * i], inputs[4 + 3 * i]));
      this.#emit({ ...node, domain: "", opType: "Concat", input: real });
    } else if (rule) {
      const axis = op === "QLinearConv" || this.#isTrue(node, "transB") ? 0 : -1;
      const real = rule.at.map((i) => this.#real(inputs[i]!, inputs[i + 1], inputs[i + 2], i === 0 ? undefined : axis));
      const bias = rule.bias === undefined ? undefined : inputs[rule.bias];
      if (bias) real.push(this.#bias(bias, inputs[1]!, inputs[4]!));
      const zero = rule.output === undefined ? undefined : inputs[rule.output + 1];
      const attribute = (node.attribute ?? []).filter(({ name }) => name !== "channels_last");
      this.#activated({ ...node, domain: "", opType: rule.op, input: real, attribute }, zero);
    } else this.#emit(node);
  }

  #isTrue(node: NodeProto, name: string): boolean {
    return (node.attribute ?? []).some(
      (attribute: AttributeProto) => attribute.name === name && Number(attribute.i) === 1,
    );
  }

  /** QuantizeLinear and DequantizeLinear: nothing but what saturates, and the numbers of weights. */
  #scaled({ opType, input = [], output: [y = ""] = [], attribute = [] }: NodeProto): void {
    const [x = "", scale = "", zero] = input;
    const axis = Number(attribute.find(({ name }) => name === "axis")?.i ?? 1);
    const from = this.#renamed.get(x) ?? x;
    if (this.#weights.has(from))
      this.#renamed.set(y, opType === "QuantizeLinear" ? from : this.#real(x, scale, zero, axis));
    else if (opType === "QuantizeLinear") this.#activated({ opType: "Identity", input: [from], output: [y] }, zero);
    else this.#emit({ opType: "Identity", input: [from], output: [y] });
  }

  /** The node, and the ReLU that saturation at the smallest integer is. */
  #activated(node: NodeProto, zero: string | undefined): void {
    const data = zero === undefined ? undefined : this.#weights.get(zero);
    const isLowest = data !== undefined && Number(data.data[0]) === (data.dtype === "int8" ? -128 : 0);
    const [x = ""] = node.input ?? [];
    const source = this.#renamed.get(x) ?? x;
    const isInput = node.opType === "Identity" && !this.#made.has(source);
    const known = POSITIVE.test(node.opType ?? "") || (KEEPS.test(node.opType ?? "") && this.#notNegative.has(source));
    const unsigned = data?.dtype === "uint8" || data?.dtype === "int8";
    const [y = ""] = node.output ?? [];
    if (!isLowest || !unsigned || isInput || known) this.#emit(node);
    else {
      this.#emit({ ...node, output: [`${y}_linear`] });
      this.#emit({ opType: "Relu", input: [`${y}_linear`], output: [y] });
    }
  }

  #emit(node: NodeProto): void {
    const input: string[] = (node.input ?? []).map((name) => this.#renamed.get(name) ?? name);
    const { opType = "", output = [] } = node;
    this.#out.push({ ...node, input });
    for (const name of output) this.#made.add(name);
    const keeps =
      KEEPS.test(opType) &&
      (opType === "Concat" ? input : input.slice(0, 1)).every((name) => this.#notNegative.has(name));
    if (POSITIVE.test(opType) || keeps) for (const name of output) this.#notNegative.add(name);
  }

  /** The name of a quantized tensor in real numbers: for a weight, of one with the numbers that its integers stand for. */
  #real(name: string, scale?: string, zero?: string, axis?: number, factor?: TensorData): string {
    const from = this.#renamed.get(name) ?? name;
    const data = this.#weights.get(from);
    if (!data || data.dtype === "float32") return from;
    const wanted = from.replace(/_(quantized|int8|uint8)$/, "");
    const free = wanted !== from && !this.#weights.has(wanted) && !this.#made.has(wanted);
    const real = free ? wanted : `${from}_real`;
    const scales = factor ?? (scale ? this.#constant(scale, "scale") : undefined);
    this.#weights.set(real, realNumbers(data, scales, zero ? this.#constant(zero, "zero point") : undefined, axis));
    this.#renamed.set(name, real);
    return real;
  }

  #constant(name: string, what: string): TensorData {
    const data = this.#weights.get(this.#renamed.get(name) ?? name);
    ensure(data, () => `dequantize: the ${what} ${quote(name)} is no constant`);
    return data;
  }

  /** A bias in int32: its scale is the product of those of x and of the weight. */
  #bias(name: string, x: string, w: string): string {
    const data = this.#constant(name, "bias");
    if (data.dtype === "float32") return name;
    const [input, weight] = [this.#constant(x, "scale").data, this.#constant(w, "scale").data];
    const scale = Float32Array.from(weight as Float32Array, (value) => value * Number(input[0]));
    const real = name.replace(/_quantized$/, "");
    const free = real !== name && !this.#weights.has(real) ? real : `${name}_real`;
    this.#weights.set(free, realNumbers(data, tensor("float32", [scale.length], scale), undefined, 0));
    return free;
  }

  /**
   * MatMulInteger → Cast → Mul(Mul(scale of x, scale of w)) is how exporters write a layer whose input is quantized when it runs.
   * Gives the scale of w by the name of the product, to be made part of w; in its place is 1 from now on.
   */
  #foldDynamicScales(): Map<string, TensorData> {
    const readers = new Map<string, NodeProto[]>();
    const makers = new Map<string, NodeProto>();
    for (const node of this.#nodes) {
      for (const name of node.input ?? []) readers.set(name, [...(readers.get(name) ?? []), node]);
      for (const name of node.output ?? []) makers.set(name, node);
    }
    const only = (name: string | undefined, op: string) => {
      const found = readers.get(name ?? "") ?? [];
      return found.length === 1 && found[0]!.opType === op ? found[0]! : undefined;
    };
    const scales = new Map<string, TensorData>();
    const products = this.#nodes.filter(({ opType }) => opType === "MatMulInteger" || opType === "ConvInteger");
    for (const { output: [y = ""] = [] } of products) {
      const cast = only(y, "Cast");
      const mul = only(cast?.output?.[0], "Mul");
      const other = mul?.input?.find((name) => name !== cast?.output?.[0]);
      const product = makers.get(other ?? "");
      const scale = product?.opType === "Mul" ? product.input?.find((name) => this.#weights.has(name)) : undefined;
      if (!product || scale === undefined || only(other, "Mul") === undefined || only(scale, "Mul") === undefined)
        continue;
      scales.set(y, this.#weights.get(scale)!);
      this.#weights.set(scale, tensor("float32", [], [1]));
    }
    return scales;
  }
}

/** (q − zero point) · scale, both of one number or one for each channel of an axis. */
function realNumbers(
  { data, shape }: TensorData,
  scale: TensorData | undefined,
  zero: TensorData | undefined,
  axis = 0,
): TensorData {
  const at = axis < 0 ? axis + shape.length : axis;
  const inner = numel(shape.slice(at + 1));
  const channels = shape[at] ?? 1;
  const of = (values: TensorData | undefined, i: number, otherwise: number) =>
    values === undefined || values.data.length === 0
      ? otherwise
      : Number(values.data[values.data.length === 1 ? 0 : Math.floor(i / inner) % channels]);
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) out[i] = (Number(data[i]) - of(zero, i, 0)) * of(scale, i, 1);
  return tensor("float32", shape, out);
}
