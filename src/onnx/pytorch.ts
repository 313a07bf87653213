import { attribute, check, Float, type Graph, isStatic, type Node, type Shape, type Value } from "../graph/index.ts";
import { type Module, namedOutputs } from "../nn/index.ts";
import { DropoutTracer, type Dropped } from "./dropout.ts";
import { OnnxModule } from "./module.ts";
import { convArguments, convInput, expressionOf, isEven, py, shortest } from "./pytorch-ops.ts";

const { float, int } = attribute;

/** Options of `pytorchSource`. */
export interface PytorchSourceOptions {
  /** Shape that the network takes, such as `["N", 3, 224, 224]`. */
  readonly input: Shape;
  /** Name of the class. Default: the network's type. */
  readonly name?: string;
}

/** Numbers of a constant that are written into the code at most. */
const MOST = 64;

/**
 * A network as the source of a PyTorch module, whose `state_dict` has the same keys, so that the network's weights load strictly.
 * It is written from the graph, so it works for networks of any origin, imported ones included.
 *
 *     await writeFile("net.py", pytorchSource(model, { input: ["N", 3, 32, 32] }));
 *
 * Dropout and batch normalization follow `train()` and `eval()`. What only training computes, such as the auxiliary classifier of
 * Inception V3, is left out with its weights. Throws, naming it, where an operator has no counterpart.
 */
export function pytorchSource(model: Module, { input, name = model.type }: PytorchSourceOptions): string {
  const tracer = new DropoutTracer(model);
  const [inputName = "input"] = model instanceof OnnxModule ? model.inputs.keys() : [];
  const outputs = namedOutputs(tracer.call(model, [tracer.input(inputName, input)]));
  for (const [output, { value }] of Object.entries(outputs)) tracer.graph.output(output, value);
  const { graph, dropped } = tracer;
  const layers = new Layers(graph, [...model.stateShapes().keys()]);
  const body = forwardOf(graph, layers, dropped);
  const title = /^[A-Za-z_]\w*$/.test(name) ? name : "Net";
  return `import torch
import torch.nn.functional as F
from torch import nn


class ${title}(nn.Module):
    def __init__(self):
        super().__init__()
${layers.lines().map(indented).join("\n") || indented("pass")}

    def forward(self, x):
${body.map((line) => (line === "" ? "" : indented(line))).join("\n")}
`;
}

const indented = (line: string) => `        ${line}`;

/** What stands at a path: a layer, a weight, or other things. */
type Held = { readonly code: string } | { readonly parameter: string; readonly shape: Shape } | Map<string, Held>;

/** Layers and weights by their paths, as PyTorch's modules. */
class Layers {
  readonly #root: Map<string, Held> = new Map();
  /** The layer that a node stands for. */
  readonly #called = new Map<Node, string>();

  constructor(graph: Graph, keys: readonly string[]) {
    const parameters = new Map(graph.parameters.map((value) => [value.name, value]));
    const layers = new Map<string, { readonly node: Node; readonly code: string }>();
    for (const node of graph.nodes) {
      const found = layerOf(node, parameters);
      if (!found) continue;
      const known = layers.get(found.path);
      // a weight that serves two different layers is not one's own
      if (known && known.code !== found.code) continue;
      layers.set(found.path, { node, code: found.code });
      this.#called.set(node, found.path);
    }
    for (const key of keys) {
      const cut = key.lastIndexOf(".");
      const path = key.slice(0, Math.max(0, cut));
      const layer = layers.get(path);
      const value = parameters.get(key);
      if (layer) this.#put(path, { code: layer.code });
      else if (value) this.#put(key, { parameter: value.dtype, shape: value.shape });
    }
  }

  #put(path: string, held: Held): void {
    const parts = path.split(".");
    const last = parts.pop()!;
    let at = this.#root;
    for (const part of parts) {
      const inner = at.get(part) ?? new Map<string, Held>();
      check(inner instanceof Map, () => `pytorchSource: ${path} is inside of a layer`);
      at.set(part, inner);
      at = inner;
    }
    at.set(last, held);
  }

  /** The layer that a node stands for, as an expression. */
  callOf(node: Node): string | undefined {
    const path = this.#called.get(node);
    return path === undefined ? undefined : this.access(path);
  }

  /** A path as an expression. */
  access(path: string): string {
    let [text, at] = ["self", this.#root as Held | undefined];
    for (const part of path.split(".")) {
      const inner: Held | undefined = at instanceof Map ? at.get(part) : undefined;
      const isModule = inner instanceof Map || (inner !== undefined && "code" in inner);
      text += at instanceof Map && isListed(at) && isModule ? `["${part}"]` : `.${part}`;
      at = inner;
    }
    return text;
  }

  /** The body of `__init__`. */
  lines(): string[] {
    return [...linesOf("self", this.#root)];
  }
}

/** Whether the parts of a module have names that are no properties, such as "0". */
const isListed = (held: Map<string, Held>): boolean =>
  [...held].some(([name, inner]) => !/^[A-Za-z_]\w*$/.test(name) && (inner instanceof Map || "code" in inner));

function* linesOf(at: string, held: Map<string, Held>): Generator<string> {
  const listed = isListed(held);
  for (const [name, inner] of held) {
    const place = listed && (inner instanceof Map || "code" in inner) ? `${at}["${name}"]` : `${at}.${name}`;
    if (inner instanceof Map) {
      yield `${place} = ${isListed(inner) ? "nn.ModuleDict()" : "nn.Module()"}`;
      yield* linesOf(place, inner);
    } else if ("code" in inner) yield `${place} = ${inner.code}`;
    else yield `${place} = nn.Parameter(torch.zeros(${inner.shape.join(", ")}))`;
  }
}

/** A node as a layer with its own weights; undefined where it is none. */
function layerOf(
  node: Node,
  parameters: ReadonlyMap<string, Value>,
): { readonly path: string; readonly code: string } | undefined {
  const weight = node.inputs[1];
  const path = weight && parameters.get(weight.name) === weight && /^(.+)\.weight$/.exec(weight.name)?.[1];
  if (!path || !isStatic(weight.shape)) return undefined;
  const has = (input: number, name: string) => {
    const value = node.inputs[input];
    return value !== undefined && value.name === `${path}.${name}` && parameters.get(value.name) === value;
  };
  const bias = node.op === "BatchNormalization" ? "" : node.inputs[2] === undefined ? ", bias=False" : "";
  const own = node.inputs[2] === undefined || has(2, "bias");
  const [O, I, ...kernel] = weight.shape;
  const groups = int(node, "group", 1);
  const size = kernel.length === 2 && kernel[0] === kernel[1] ? kernel[0] : `(${kernel.join(", ")})`;
  if (node.op === "Conv" && own && kernel.length === 2) {
    const options = isEven(node) ? convArguments(node) : convArguments({ ...node, attributes: without(node) });
    return { path, code: `nn.Conv2d(${I! * groups}, ${O}, ${size}${options}${bias})` };
  }
  if (node.op === "ConvTranspose" && own && kernel.length === 2 && isEven(node) && !node.attributes.output_padding)
    return { path, code: `nn.ConvTranspose2d(${O}, ${I! * groups}, ${size}${convArguments(node)}${bias})` };
  const isPlain = !(node.attributes.alpha instanceof Float) && !(node.attributes.beta instanceof Float);
  if (node.op === "Gemm" && own && isPlain && int(node, "transB", 0) === 1 && int(node, "transA", 0) === 0)
    return { path, code: `nn.Linear(${I}, ${O}${bias})` };
  if (node.op === "BatchNormalization" && has(2, "bias") && has(3, "running_mean") && has(4, "running_var")) {
    const value = (name: string, usual: number) =>
      node.attributes[name] instanceof Float ? shortest(float(node, name)) : usual;
    const [eps, momentum] = [value("epsilon", 1e-5), shortest(1 - value("momentum", 0.9))];
    const options = `${eps === 1e-5 ? "" : `, eps=${eps}`}${momentum === 0.1 ? "" : `, momentum=${momentum}`}`;
    return { path, code: `nn.BatchNorm${node.inputs[0]!.shape.length === 4 ? "2d" : "1d"}(${O}${options})` };
  }
  return undefined;
}

/** Attributes without padding, which is done before the layer. */
const without = ({ attributes: { pads: _, ...attributes } }: Node) => attributes;

/** The lines of `forward`. */
function forwardOf(graph: Graph, layers: Layers, dropped: ReadonlyMap<Value, Dropped>): string[] {
  const parameters = new Map(graph.parameters.map((value) => [value, value.name]));
  const needed = new Set(graph.outputs.values());
  // what nothing reads is not written
  const nodes = graph.nodes.toReversed().filter(({ inputs, outputs }) => {
    if (!outputs.some((value) => needed.has(value))) return false;
    for (const value of inputs) if (value) needed.add(value);
    return true;
  });
  nodes.reverse();
  const lastUse = new Map<Value, number>();
  nodes.forEach(({ inputs }, i) => {
    for (const value of inputs) if (value) lastUse.set(value, i);
  });
  for (const value of graph.outputs.values()) lastUse.set(value, nodes.length);
  const names = new Map<Value, string>();
  const free: string[] = [];
  let made = 0;
  const take = () => free.shift() ?? (made++ === 0 ? "x" : `x${made - 1}`);
  for (const value of graph.inputs) names.set(value, take());
  const lines: string[] = [];
  let block: string | undefined;
  for (const [i, node] of nodes.entries()) {
    const x = (input: number) => inputOf(node.inputs[input], { graph, names, layers, parameters });
    const known = (input: number) => {
      const data = node.inputs[input] && graph.constants.get(node.inputs[input]);
      return data && Array.from(data.data as ArrayLike<number | bigint>, Number);
    };
    const layer = layers.callOf(node);
    const drop = dropped.get(node.outputs[0]!);
    const text = drop
      ? dropout(x(0), known(1)![0]!, { drop, rank: node.inputs[0]!.shape.length })
      : layer !== undefined
        ? `${layer}(${node.op === "Conv" ? convInput(node, x(0)) : x(0)})`
        : expressionOf({ node, x, known });
    for (const value of new Set(node.inputs)) {
      const held = value && lastUse.get(value) === i ? names.get(value) : undefined;
      // the shortest name is taken first
      if (held !== undefined) free.push(held);
    }
    free.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
    const used = node.op === "Split" ? node.outputs : node.outputs.slice(0, 1);
    for (const value of used) names.set(value, take());
    const [top = ""] = node.scope.split(".");
    if (top !== block && node.scope.includes(".")) lines.push(...(lines.length > 0 ? [""] : []), `# ${top}`);
    block = top;
    lines.push(`${used.map((value) => names.get(value)).join(", ")} = ${text}`);
    for (const value of used) if (!lastUse.has(value)) free.push(names.get(value)!);
  }
  const [[, first] = [], ...others] = graph.outputs;
  const result = (value: Value) => inputOf(value, { graph, names, layers, parameters });
  if (others.length === 0) return [...lines, `return ${result(first!)}`];
  const entries = [...graph.outputs].map(([name, value]) => `"${name}": ${result(value)}`);
  return [...lines, `return {${entries.join(", ")}}`];
}

function dropout(x: string, p: number, { drop, rank }: { drop: Dropped; rank: number }): string {
  const rate = py(shortest(p));
  if (drop === "elements") return `F.dropout(${x}, ${rate}, self.training)`;
  if (drop === "channels") return `F.dropout2d(${x}, ${rate}, self.training)`;
  const shape = `(${x}.size(0), ${Array(rank - 1)
    .fill(1)
    .join(", ")})`;
  return `${x} * F.dropout(torch.ones(${shape}, device=${x}.device), ${rate}, self.training)`;
}

interface Known {
  readonly graph: Graph;
  readonly names: ReadonlyMap<Value, string>;
  readonly layers: Layers;
  readonly parameters: ReadonlyMap<Value, string>;
}

/** A value as an expression: a variable, a weight, or a constant. */
function inputOf(value: Value | undefined, { graph, names, layers, parameters }: Known): string {
  if (!value) return "None";
  const name = names.get(value);
  if (name !== undefined) return name;
  const key = parameters.get(value);
  if (key !== undefined) return layers.access(key);
  const data = graph.constants.get(value);
  check(data, () => `pytorchSource: "${value.name}" is never computed`);
  const numbers = Array.from(data.data as ArrayLike<number | bigint>, (number) => py(shortest(Number(number))));
  if (numbers.length === 1) return numbers[0]!;
  check(
    numbers.length <= MOST,
    () =>
      `pytorchSource: "${value.name}" is a constant of ${numbers.length} numbers; make it a parameter of the network`,
  );
  // whole numbers would make a tensor of integers
  const real =
    data.dtype === "float32" ? numbers.map((number) => (/^-?\d+$/.test(number) ? `${number}.0` : number)) : numbers;
  const [flat, shape] = [`torch.tensor([${real.join(", ")}], device=x.device)`, data.shape];
  return shape.length === 1 ? flat : `${flat}.reshape(${shape.join(", ")})`;
}
