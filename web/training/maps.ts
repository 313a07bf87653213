/** Feature maps of a few layers for one image, as a network in training sees it. */
import type { Engine, Executable, TensorData } from "convnets";
import { type Module, type ModuleCall, trace } from "convnets/nn";
import type { SeenMaps } from "./protocol.ts";

/** Maps that are kept of a layer, and pixels of their longer side: larger ones are shown smaller. */
const MAPS = 16;
const SIDE = 32;

export class MapsWatch {
  readonly #graph: Executable;
  readonly #image: TensorData;

  private constructor(graph: Executable, image: TensorData) {
    this.#graph = graph;
    this.#image = image;
  }

  /** Watches the first convolution, one in the middle and the last one; undefined if there are no maps. `image` is [1, C, H, W]. */
  static async create(model: Module, engine: Engine, image: TensorData): Promise<MapsWatch | undefined> {
    const { graph, root } = trace(model, image.shape, { training: false, target: engine.target });
    const found: ModuleCall[] = [];
    const visit = (call: ModuleCall): void => {
      const [weight] = call.calls.length === 0 ? [...call.module.parameters()].map(([, one]) => one.shape) : [];
      const [, , H = 1, W = 1] = call.outputs[0]?.shape ?? [];
      if (weight?.length === 4 && Number(H) * Number(W) > 1) found.push(call);
      call.calls.forEach(visit);
    };
    visit(root);
    const chosen = new Set([found[0], found[Math.floor((found.length - 1) / 2)], found.at(-1)]);
    graph.outputs.clear();
    for (const call of chosen) if (call) graph.output(call.path, call.outputs[0]!);
    return graph.outputs.size > 0 ? new MapsWatch(await engine.compile(graph), image) : undefined;
  }

  /** The maps with these weights. */
  async at(weights: ReadonlyMap<string, TensorData>): Promise<SeenMaps[]> {
    const { inputs, outputs } = this.#graph;
    const feeds = Object.fromEntries(inputs.map((name) => [name, weights.get(name) ?? this.#image] as const));
    const results = await this.#graph.run(feeds, { outputs });
    return Promise.all(
      outputs.map(async (layer) => {
        const tensor = await results[layer]!.read();
        results[layer]!.dispose();
        return { layer, ...shrunk(tensor) };
      }),
    );
  }

  dispose = () => this.#graph.dispose();
}

/** The first maps, as bytes around 128. */
function shrunk({ shape, data }: TensorData): Omit<SeenMaps, "layer"> {
  const [, C = 1, H = 1, W = 1] = shape;
  const every = Math.ceil(Math.max(H, W) / SIDE);
  const [count, height, width] = [Math.min(MAPS, C), Math.ceil(H / every), Math.ceil(W / every)];
  const numbers = new Float32Array(count * height * width);
  for (let c = 0; c < count; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        numbers[(c * height + y) * width + x] = Number(data[(c * H + y * every) * W + x * every]);
  const most = numbers.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-12);
  return {
    shape: [count, height, width],
    data: Uint8Array.from(numbers, (value) => Math.round(128 + (127 * value) / most)),
  };
}
