/**
 * Convolutions with changing weights by Winograd's transforms beside the direct ones that they replace: time, and rounding against sums in
 * float64.
 *
 *     npx tsx bench/winograd.ts
 */
import { type TensorData, zeros } from "convnets";
import { Graph, type Value } from "convnets/graph";
import { nodeEngine } from "convnets/node";
import { Ops } from "convnets/operators";
import { blockedConvolution } from "../src/operators/blocked.ts";
import { winogradConvolution } from "../src/operators/winograd.ts";
import { Random } from "../src/random.ts";

interface Layer {
  readonly of: string;
  readonly images: number;
  readonly channels: number;
  readonly filters: number;
  readonly pixels: number;
  readonly side: number;
}

const layer = (of: string, images: number, channels: number, filters: number, pixels: number, side = 3): Layer => ({
  ...{ of, images, channels, filters, pixels, side },
});

const LAYERS: readonly Layer[] = [
  layer("NiN, block 2", 64, 96, 192, 16, 5),
  layer("NiN, block 3", 64, 192, 192, 8),
  layer("GoogLeNet, 3b", 16, 128, 192, 28),
  layer("GoogLeNet, 4d", 16, 144, 288, 14),
  layer("GoogLeNet, 5b", 16, 192, 384, 7),
  layer("ResNet-18, layer 2", 16, 128, 128, 28),
  layer("ResNet-18, layer 4", 16, 512, 512, 7),
  layer("VGG16, block 4", 8, 512, 512, 28),
];

const engine = nodeEngine();
const ROUNDS = 9;
/** Numbers of an output that are compared. */
const SAMPLES = 2000;

/** Numbers of a normal distribution; those of images as behind a ReLU. */
function normal(shape: readonly number[], key: string): TensorData {
  const values = zeros("float32", shape);
  const random = new Random(1, key);
  values.data.forEach((_, i) => {
    values.data[i] = key === "x" ? Math.max(0, random.normal()) : 0.1 * random.normal();
  });
  return values;
}

type Spelling = (g: Ops, x: Value, w: Value) => Value | undefined;

/** A convolution that is compiled, with its output. */
async function prepare(x: TensorData, w: TensorData, spelling: Spelling) {
  const graph = new Graph("layer");
  const inputs = [graph.input("x", "float32", x.shape), graph.input("w", "float32", w.shape)] as const;
  const y = spelling(new Ops(graph), ...inputs);
  if (!y) throw new Error(`not a convolution that is written this way: ${x.shape} with ${w.shape}`);
  graph.output("y", y);
  const executable = await engine.compile(graph, { keepOnDevice: true });
  let into: Awaited<ReturnType<typeof executable.run>> | undefined;
  const run = async () => {
    const start = performance.now();
    into = await executable.run({ x, w }, into && { into });
    return performance.now() - start;
  };
  await run();
  return { run, output: async () => (await into!.y!.read()).data as Float32Array, dispose: () => executable.dispose() };
}

/** Root of the mean square of the errors at some places, as a share of that of the numbers there. */
function rounding(y: Float32Array, x: TensorData, w: TensorData, { channels, filters, pixels, side }: Layer): number {
  const random = new Random(2, "places");
  const pad = (side - 1) / 2;
  let [errors, squares] = [0, 0];
  for (let sample = 0; sample < SAMPLES; sample++) {
    const at = random.integer(y.length);
    const [column, row] = [at % pixels, Math.floor(at / pixels) % pixels];
    const [filter, image] = [Math.floor(at / pixels ** 2) % filters, Math.floor(at / (pixels ** 2 * filters))];
    let sum = 0;
    for (let channel = 0; channel < channels; channel++)
      for (let i = 0; i < side; i++)
        for (let j = 0; j < side; j++) {
          const [h, v] = [row + i - pad, column + j - pad];
          if (h < 0 || v < 0 || h >= pixels || v >= pixels) continue;
          sum +=
            Number(x.data[((image * channels + channel) * pixels + h) * pixels + v]) *
            Number(w.data[((filter * channels + channel) * side + i) * side + j]);
        }
    errors += (y[at]! - sum) ** 2;
    squares += sum ** 2;
  }
  return Math.sqrt(errors / squares);
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

console.log("| layer | shape | direct, ms | Winograd, ms | direct / Winograd | rounding, direct | Winograd |");
console.log("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
for (const at of LAYERS) {
  const { of, images, channels, filters, pixels, side } = at;
  const before = (side - 1) / 2;
  const pair = (size: number) => [size, size] as const;
  const window = {
    ...{ kernel: pair(side), stride: pair(1), dilation: pair(1), before: pair(before), after: pair(before) },
    ceil: false,
  };
  const shape = [filters, channels, side, side] as const;
  const [x, w] = [normal([images, channels, pixels, pixels], "x"), normal(shape, "w")];
  const block = 8;
  const direct = await prepare(x, w, (g, images, w) =>
    blockedConvolution(g, images, { w, shape, turned: false }, undefined, { window, group: 1 }, block),
  );
  const winograd = await prepare(x, w, (g, images, w) =>
    winogradConvolution(g, images, { w, shape, turned: false }, undefined, window, block),
  );
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    theirs.push(await direct.run());
    ours.push(await winograd.run());
  }
  const ratio = median(theirs.map((time, i) => time / ours[i]!));
  const errors = [await direct.output(), await winograd.output()].map((y) => rounding(y, x, w, at).toExponential(1));
  const sizes = `${images}×${channels}×${pixels}² → ${filters}, ${side}×${side}`;
  console.log(
    `| ${of} | ${sizes} | ${median(theirs).toFixed(1)} | ${median(ours).toFixed(1)} | ${ratio.toFixed(2)} | ${errors.join(" | ")} |`,
  );
  await direct.dispose();
  await winograd.dispose();
}
