import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sceneOf } from "../../src/draw/draw.ts";
import type { Scene } from "../../src/draw/layout/scene.ts";
import { layersOf } from "../../src/draw/read/items.ts";
import { networkOf } from "../../src/draw/read/parts.ts";
import { numel } from "../../src/graph/index.ts";
import { createModel, INCEPTION_WIDTHS, Inception, MODELS, NaiveInception } from "../../src/models/index.ts";
import { type Module, trace } from "../../src/nn/index.ts";
import { imagesOf } from "../support/images.ts";
import { problems, tooSmall } from "./checks.ts";
import { networkOfPlan, networks, ResNet, TwoInputs, tangleOf, tangles } from "./networks.ts";

const LEVELS = ["block", "layer"] as const;
const IMAGE = [1, 3, 16, 16];
/** More: `FC_RUNS=500 npx vitest run test/draw`. */
const RUNS = Number(process.env.FC_RUNS ?? 8);

const scene = (model: Module, input: readonly number[], level: (typeof LEVELS)[number]): Scene =>
  sceneOf(trace(model, input), { level, title: model.type });

/** The drawn boxes with those that frames and blocks stand for. */
const itemsIn = ({ boxes }: Scene) => boxes.filter(({ form }) => form !== "frame").map(({ item }) => item);

describe("layout of random networks", () => {
  it.each(LEVELS)("keeps boxes, lines and texts apart and on the page, series-parallel, level %s", (level) => {
    fc.assert(
      fc.property(networks, (plan) => {
        expect(problems(scene(networkOfPlan(plan), IMAGE, level))).toEqual([]);
      }),
      { numRuns: RUNS },
    );
  });

  it.each(LEVELS)("keeps boxes, lines and texts apart and on the page, any graph, level %s", (level) => {
    fc.assert(
      fc.property(tangles, (reads) => {
        expect(problems(scene(tangleOf(reads), IMAGE, level))).toEqual([]);
      }),
      { numRuns: RUNS },
    );
  });

  it("shows every operator once, with all of the parameters", () => {
    const built = fc.oneof(
      networks.map((plan) => () => networkOfPlan(plan)),
      tangles.map((reads) => () => tangleOf(reads)),
    );
    fc.assert(
      fc.property(built, (build) => {
        const traced = trace(build(), IMAGE);
        const total = traced.graph.parameters
          .filter(({ name }) => !name.includes("running_"))
          .reduce((sum, { shape }) => sum + numel(shape.map(Number)), 0);
        for (const level of LEVELS) {
          const items = itemsIn(sceneOf(traced, { level }));
          expect(items.reduce((sum, { params }) => sum + params, 0)).toBe(total);
          const units = items.flatMap((item) => item.units);
          expect(new Set(units.map(({ id }) => id)).size).toBe(units.length);
          expect(units.flatMap(({ ops }) => ops).sort()).toEqual(traced.graph.nodes.map(({ op }) => op).sort());
        }
      }),
      { numRuns: RUNS },
    );
  });

  it("draws the same network in the same way", () => {
    fc.assert(
      fc.property(networks, (plan) => {
        const drawn = () => scene(networkOfPlan(plan), IMAGE, "layer");
        const places = ({ boxes }: Scene) => boxes.map(({ x, y, width, height }) => [x, y, width, height]);
        expect(places(drawn())).toEqual(places(drawn()));
      }),
      { numRuns: 4 },
    );
  });
});

const BLOCKS = {
  Inception: [new Inception(192, INCEPTION_WIDTHS["3a"]), [1, 192, 28, 28]],
  NaiveInception: [new NaiveInception(192, INCEPTION_WIDTHS["3a"]), [1, 192, 28, 28]],
  ResNet: [new ResNet(), [1, 3, 32, 32]],
} as const satisfies Record<string, readonly [Module, readonly number[]]>;

const registered = Object.keys(MODELS).map((name) => {
  const model = createModel(name);
  return [name, model, imagesOf(model)] as const;
});
const cases = [...registered, ...Object.entries(BLOCKS).map(([name, [model, input]]) => [name, model, input] as const)];

describe.each(LEVELS)("layout, level %s", (level) => {
  it.each(cases)("of %s is clean and legible", (_, model, input) => {
    const drawn = scene(model, input, level);
    expect(problems(drawn)).toEqual([]);
    expect(tooSmall(drawn)).toEqual([]);
  });
});

describe("what is drawn", () => {
  const written = ({ texts }: Scene) => texts.map(({ text }) => text);
  const titled = ({ boxes }: Scene, title: string) => boxes.filter(({ item }) => item.title === title);

  it("Inception: four branches between the input and a concatenation, with shapes", () => {
    const drawn = scene(...BLOCKS.Inception, "layer");
    const [input] = titled(drawn, "input");
    const [concat] = titled(drawn, "concat");
    const starts = drawn.wires.filter(({ from }) => from === input!.item);
    const ends = drawn.wires.filter(({ to }) => to === concat!.item);
    expect([starts.length, ends.length]).toEqual([4, 4]);
    expect(starts.map(({ to }) => `${to!.title} ${to!.note}`).sort()).toEqual([
      "conv 1×1",
      "conv 1×1",
      "conv 1×1",
      "max pool 3×3",
    ]);
    expect(written(drawn)).toEqual(expect.arrayContaining(["192×28×28", "64×28×28", "128×28×28", "256×28×28"]));
    expect(ends.map(({ from }) => from!.shape[0])).toEqual([64, 128, 32, 32]);
  });

  it("NaiveInception: pooled maps keep their channels", () => {
    const drawn = scene(...BLOCKS.NaiveInception, "layer");
    const [concat] = titled(drawn, "concat");
    const ends = drawn.wires.filter(({ to }) => to === concat!.item);
    expect(ends.map(({ from }) => from!.shape[0])).toEqual([64, 128, 32, 192]);
    expect(written(drawn)).toContain("416×28×28");
  });

  it("VGG16: solids that shrink with the maps", () => {
    const drawn = scene(createModel("vgg16"), [1, 3, 224, 224], "layer");
    const solids = drawn.boxes.filter(({ form }) => form === "volume");
    const convolutions = solids.filter(({ item }) => item.kind === "conv");
    expect(convolutions.length).toBe(13);
    const heights = new Map(convolutions.map(({ item, height }) => [item.shape[1], height]));
    expect([...heights.keys()]).toEqual([224, 112, 56, 28, 14]);
    expect([...heights.values()]).toEqual([...heights.values()].sort((a, b) => b - a));
    expect(new Set(heights.values()).size).toBe(5);
    // wider with more channels
    const widths = new Map(convolutions.map(({ item, width }) => [item.shape[0], width]));
    expect([...widths.values()]).toEqual([...widths.values()].sort((a, b) => a - b));
  });

  it("NiN: 1×1 convolutions stand out from others", () => {
    const drawn = scene(createModel("nin"), [1, 3, 32, 32], "layer");
    const kinds = drawn.boxes.map(({ item }) => item.kind).filter((kind) => kind === "conv" || kind === "pointwise");
    const mlpconv = ["conv", "pointwise", "pointwise"];
    expect(kinds).toEqual([...mlpconv, ...mlpconv, ...mlpconv]);
  });

  it("GoogLeNet: a box for each Inception block, auxiliary classifiers branching off", () => {
    const drawn = scene(createModel("googlenet"), [1, 3, 224, 224], "block");
    const blocks = drawn.boxes.filter(({ form }) => form === "block").map(({ item }) => item.title);
    const inceptions = ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"].map((name) => `inception${name}`);
    expect(blocks.filter((title) => title.startsWith("inception"))).toEqual(inceptions);
    const sources = (title: string) => drawn.wires.filter(({ to }) => to?.title === title && to.role === "block");
    expect(sources("aux1").map(({ from }) => from!.title)).toEqual(["inception4a"]);
    expect(sources("aux2").map(({ from }) => from!.title)).toEqual(["inception4d"]);
    expect(written(drawn)).toEqual(expect.arrayContaining(["256×28×28", "1024×7×7"]));
  });

  it("GoogLeNet: every convolution at level layer", () => {
    const model = createModel("googlenet");
    const drawn = scene(model, [1, 3, 224, 224], "layer");
    const drawnConvolutions = itemsIn(drawn).filter(({ kind }) => kind === "conv" || kind === "pointwise");
    const { graph } = trace(model, [1, 3, 224, 224]);
    expect(drawnConvolutions.length).toBe(graph.nodes.filter(({ op }) => op === "Conv").length);
  });

  it("a residual network: sums of two ways", () => {
    const drawn = scene(...BLOCKS.ResNet, "layer");
    const sums = titled(drawn, "+");
    expect(sums.length).toBe(6);
    for (const { item } of sums) expect(drawn.wires.filter(({ to }) => to === item).length).toBe(2);
  });

  it.each(LEVELS)("several inputs and outputs, level %s", (level) => {
    const drawn = sceneOf(trace(new TwoInputs(), { image: [1, 3, 32, 32], depth: [1, 1, 32, 32] }), { level });
    expect(problems(drawn)).toEqual([]);
    const ends = drawn.boxes.filter(({ form }) => form === "end").map(({ item }) => item.title);
    expect(ends.sort()).toEqual(["depth", "features", "image", "segmentation"]);
  });

  it("networks whose modules are not known are drawn from their operators alone", () => {
    const { graph } = trace(...BLOCKS.Inception);
    const drawn = sceneOf({
      graph: Object.assign(graph, { nodes: graph.nodes.map((node) => ({ ...node, scope: "" })) }),
    });
    expect(problems(drawn)).toEqual([]);
    expect(titled(drawn, "concat").length).toBe(1);
    expect(layersOf(networkOf({ graph })).filter(({ kind }) => kind === "conv" || kind === "pointwise").length).toBe(6);
  });
});
