import { attribute, check, type Graph, type Node, type TensorData, type Value } from "../graph/index.ts";
import {
  type BatchNorm2d,
  Module,
  type ModuleBuffer,
  type Output,
  type Parameter,
  Tensor,
  type Tracer,
} from "../nn/index.ts";
import { ONNX_TYPE } from "../operators/index.ts";
import { type Placed, Placement } from "../passes/index.ts";
import { dependents, featureTest, isPart, type Part } from "./structure.ts";

export type Stored = Parameter | ModuleBuffer;
type Item = Node | OnnxPart;

/** Types that modules compute in float32 instead of. */
const CONVERTED = new Set<number>([ONNX_TYPE.float16, ONNX_TYPE.bfloat16, ONNX_TYPE.float64]);

/** One trace of a network: the values of the file's graph in the graph that is traced. */
class Run {
  readonly tracer: Tracer;
  readonly place: Placement;
  readonly #values = new Map<Value, Placed>();
  readonly #leaf: (run: Run, value: Value) => Placed;

  constructor(tracer: Tracer, leaf: (run: Run, value: Value) => Placed, batch?: { from: number; to: number | string }) {
    this.tracer = tracer;
    this.place = new Placement(tracer.ops, { batch });
    this.#leaf = leaf;
  }

  get(value: Value): Placed {
    const placed = this.#values.get(value) ?? this.#leaf(this, value);
    this.#values.set(value, placed);
    return placed;
  }

  set(value: Value, placed: Placed): void {
    this.#values.set(value, placed);
  }

  tensor(value: Value): Tensor {
    return new Tensor(this.get(value).value(), this.tracer);
  }

  setTensor(value: Value, tensor: Tensor): void {
    this.set(value, this.place.leaf(tensor.value));
  }
}

/** Puts the nodes of a file's graph into the graph of a tracer, for inputs of other shapes, and for training. */
export class Replay {
  readonly graph: Graph;
  readonly name: string;
  /** The weights that stand for the graph's parameters. */
  readonly stored = new Map<Value, Stored>();
  /** Batch normalizations whose statistics can be followed. */
  readonly norms = new Map<Node, BatchNorm2d>();
  /** Nodes after a last layer that was replaced, with its classes before and now. */
  readonly classes = new Map<Node, { readonly from: number; readonly to: number }>();
  readonly #constants: ReadonlyMap<Value, TensorData>;
  #run: Run | undefined;

  constructor(graph: Graph, constants: ReadonlyMap<Value, TensorData>, name: string) {
    this.graph = graph;
    this.name = name;
    this.#constants = constants;
  }

  /** The whole graph. */
  forward(inputs: readonly Tensor[], items: readonly Item[], module: Module): Output {
    const wanted = this.graph.inputs;
    check(
      inputs.length === wanted.length,
      () => `${this.name}: takes ${wanted.map(({ name }) => name).join(", ")}, but got ${inputs.length} inputs`,
    );
    const [from, to] = [wanted[0]!.shape[0], inputs[0]!.shape[0]];
    const batch = typeof from === "number" && to !== undefined && from !== to ? { from, to } : undefined;
    const run = this.#start(inputs[0]!.tracer, batch);
    return this.#within(run, inputs, { reads: wanted, gives: this.graph.outputs }, items, module);
  }

  /** A part of it: as one of the whole, or of a larger part, where that runs, else by itself. */
  part(inputs: readonly Tensor[], border: Border, items: readonly Item[], module: Module): Output {
    const { tracer } = inputs[0]!;
    return this.#within(this.#run?.tracer === tracer ? this.#run : this.#start(tracer), inputs, border, items, module);
  }

  #within(
    run: Run,
    inputs: readonly Tensor[],
    { reads, gives }: Border,
    items: readonly Item[],
    module: Module,
  ): Output {
    const outer = this.#run;
    this.#run = run;
    try {
      reads.forEach((value, i) => {
        const given = inputs[i];
        check(given, () => `${this.name}: a part is called without its input ${i}, "${value.name}"`);
        run.setTensor(value, given);
      });
      this.#items(run, items, module);
      const tensors = [...gives].map(([name, value]) => [name, run.tensor(value)] as const);
      return tensors.length === 1 ? tensors[0]![1] : Object.fromEntries(tensors);
    } finally {
      this.#run = outer;
    }
  }

  #items(run: Run, items: readonly Item[], module: Module): void {
    for (const item of items) {
      if (!(item instanceof OnnxPart)) this.#node(run, item, module);
      else if (item.border.reads.length > 0) item.call(...item.border.reads.map((value) => run.tensor(value)));
      else this.#items(run, item.items, item);
    }
  }

  #start(tracer: Tracer, batch?: { from: number; to: number | string }): Run {
    return new Run(tracer, (run, value) => this.#leaf(run, value), batch);
  }

  /** A weight or constant of the file, in the graph that is traced. */
  #leaf(run: Run, value: Value): Placed {
    const stored = this.stored.get(value);
    if (stored) return run.place.leaf(run.tracer.weight(stored).value);
    const data = this.#constants.get(value);
    check(data, () => `${this.name}: "${value.name}" comes from outside of the part that was called; call the network`);
    return run.place.constant(data, value.name);
  }

  #node(run: Run, node: Node, module: Module): void {
    const [x] = node.inputs;
    const [y] = node.outputs;
    const norm = this.norms.get(node);
    if (norm) {
      norm.training = module.training;
      run.setTensor(y!, norm.forward(run.tensor(x!)));
    } else if (node.op === "Dropout") {
      const ratio = node.inputs[1] && run.get(node.inputs[1]).known?.values[0];
      const p = typeof ratio === "number" ? ratio : 0.5;
      run.setTensor(y!, run.tracer.dropout(run.tensor(x!), p, { module }));
    } else {
      const inputs = node.inputs.map((value) => value && run.get(value));
      const placed = run.place.place({
        ...this.#adapted(run, node, inputs),
        scope: run.tracer.ops.scope,
        outputs: node.outputs.map(({ name }) => name),
      });
      node.outputs.forEach((value, i) => {
        run.set(value, placed[i]!);
      });
    }
  }

  /** The node in float32, and with as many classes as the last layer has now. */
  #adapted(run: Run, node: Node, inputs: readonly (Placed | undefined)[]) {
    if (node.op === "Cast" && CONVERTED.has(attribute.int(node, "to")))
      return { ...node, inputs, attributes: { to: ONNX_TYPE.float32 } };
    const classes = this.classes.get(node);
    const target = inputs[1]?.known?.values;
    if (!classes || node.op !== "Reshape" || !target?.includes(classes.from)) return { ...node, inputs };
    const sizes = target.map((size) => (size === classes.from ? classes.to : Number(size)));
    return { ...node, inputs: [inputs[0], run.place.ints(sizes)] };
  }
}

/** Features that go into a part and out of it. */
export interface Border {
  readonly reads: readonly Value[];
  readonly gives: ReadonlyMap<string, Value>;
}

/** A layer or block of an imported network. It can be called by itself too, with the features that it reads. */
export class OnnxPart extends Module<Output> {
  readonly #replay: Replay;
  readonly #items: readonly Item[];
  readonly #border: Border;

  constructor(replay: Replay, part: Part, borders: Borders) {
    super();
    this.#replay = replay;
    this.#border = borders.of(part);
    this.#items = contents(this, replay, part, borders);
  }

  get border(): Border {
    return this.#border;
  }

  get items(): readonly Item[] {
    return this.#items;
  }

  /** The operators of a layer; parts with others inside are blocks. */
  override get type(): string {
    const ops = this.#items.map((item) => (item instanceof OnnxPart ? undefined : item.op));
    return ops.includes(undefined) ? "Block" : [...new Set(ops)].join("+");
  }

  /** Size of the window where the part is a layer with one; for summaries. */
  get kernelSize(): readonly number[] | undefined {
    const [node, ...others] = this.#items;
    if (!node || node instanceof OnnxPart || others.length > 0) return undefined;
    if (node.op.startsWith("Conv")) return node.inputs[1]?.shape.slice(2) as number[];
    return node.attributes.kernel_shape as readonly number[] | undefined;
  }

  forward(...inputs: Tensor[]): Output {
    return this.#replay.part(inputs, this.#border, this.#items, this);
  }
}

/** The nodes and parts of a part, the parts being properties of the module that holds them. */
export function contents(holder: Module, replay: Replay, part: Part, borders: Borders): readonly Item[] {
  return part.items.map((item) => {
    if (!isPart(item)) return item;
    const module = new OnnxPart(replay, item, borders);
    addProperty(holder, item.name, module);
    return module;
  });
}

/** Sets a property under its name, or under the next that is free; gives the name. */
export function addProperty(holder: Module, wanted: string, value: Module | Stored): string {
  let name = wanted;
  while (name in holder) name = `${name}_`;
  Object.defineProperty(holder, name, { value, enumerable: true, writable: true, configurable: true });
  return name;
}

/** Finds what goes into parts and out of them. */
export class Borders {
  readonly #features: ReadonlySet<Value>;
  readonly #readers = new Map<Value, Node[]>();
  readonly #outputs: ReadonlySet<Value>;

  constructor(graph: Graph) {
    const isFeature = featureTest(graph);
    this.#features = new Set([...dependents(graph)].filter(isFeature));
    this.#outputs = new Set(graph.outputs.values());
    for (const node of graph.nodes) {
      for (const value of node.inputs) {
        const readers = value && this.#readers.get(value);
        if (readers) readers.push(node);
        else if (value) this.#readers.set(value, [node]);
      }
    }
  }

  of(part: Part): Border {
    const nodes = new Set(nodesOf(part));
    const made = new Set<Value>();
    const reads = new Set<Value>();
    for (const { inputs, outputs } of nodes) {
      for (const value of inputs) if (value && this.#features.has(value) && !made.has(value)) reads.add(value);
      for (const value of outputs) if (this.#features.has(value)) made.add(value);
    }
    const needed = (value: Value) =>
      this.#outputs.has(value) || (this.#readers.get(value) ?? []).some((node) => !nodes.has(node));
    return { reads: [...reads], gives: new Map([...made].filter(needed).map((value) => [value.name, value])) };
  }
}

function* nodesOf(part: Part): Generator<Node> {
  for (const item of part.items) {
    if (isPart(item)) yield* nodesOf(item);
    else yield item;
  }
}
