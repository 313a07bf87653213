/**
 * Weights of every registered network, drawn by PyTorch, through every format and back, bit for bit: PyTorch's two forms,
 * safetensors, and the initializers of an export.
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Checkpoint, readCheckpoint, writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { type TensorData, toBytes } from "../../src/graph/index.ts";
import { createModel, MODELS, type ModelName, type ModelOptions } from "../../src/models/index.ts";
import { Dropout, Linear, type Module, ReLU, Sequential } from "../../src/nn/index.ts";
import { exportOnnx } from "../../src/onnx/index.ts";
import { readOnnx } from "../../src/onnx/node/index.ts";
import { imagesOf } from "../support/images.ts";
import { pythonSkipReason } from "../support/python.ts";
import { PythonServer } from "../support/python-server.ts";
import { shared, unless } from "../support/skip.ts";

/** Type, shape and hash of the bits. */
type Facts = Record<string, [string, number[], string]>;

interface Case {
  readonly name: ModelName;
  readonly options: ModelOptions;
  /** The network in Python; without it, the state dict is made of our keys and shapes. */
  readonly python?: string;
  /** The classifier in place of a network's own. */
  readonly classifier?: () => Module;
}

/** Hidden units of a VGG here: its classifier has most of the weights, and the note's is taken whole. */
const HIDDEN = 64;
const narrow = () =>
  new Sequential(
    ...[new Linear(512, HIDDEN), new ReLU(), new Dropout()],
    ...[new Linear(HIDDEN, HIDDEN), new ReLU(), new Dropout()],
    new Linear(HIDDEN, 10),
  );

/** One without and one with batch normalization: the others have more of the same keys, which models/state-dict.parity.test.ts compares. */
const VGG = ["vgg11", "vgg16_bn"] as const;

const CASES: readonly Case[] = [
  ...VGG.map((name) => ({
    name,
    // torchvision's has the same keys and more weights
    options: { variant: "paper", inputSize: 32, numClasses: 10 } as const,
    python: `torchvision_vgg("${name}", ${HIDDEN})`,
    classifier: narrow,
  })),
  { name: "googlenet", options: { variant: "torchvision", numClasses: 10 }, python: "torchvision_googlenet()" },
  { name: "vgg16", options: { inputSize: 32 }, python: 'note("VGG16")' },
  { name: "nin", options: {}, python: 'note("NiN")' },
  { name: "googlenet", options: { numClasses: 10 }, python: 'note("GoogLeNet", 10)' },
  { name: "googlenet", options: { variant: "paper", numClasses: 10 } },
  { name: "nin", options: { variant: "paper" } },
  { name: "nin_imagenet", options: { numClasses: 10 } },
  { name: "inception_small", options: {} },
  { name: "vgg_small", options: {} },
  { name: "lenet5", options: {} },
  { name: "alexnet", options: { variant: "paper", inputSize: 67, numClasses: 10 } },
  { name: "resnet18", options: { numClasses: 10 }, python: 'torchvision_network("resnet18")' },
  { name: "resnet20", options: {} },
  ...(
    [
      "squeezenet1_1",
      "densenet121",
      "mobilenet_v2",
      "mobilenet_v3_small",
      "shufflenet_v2_x1_0",
      "efficientnet_b0",
    ] as const
  ).map((name) => ({ name, options: { numClasses: 10 }, python: `torchvision_network("${name}")` })),
];

const seedFolder = shared("seed").path;
const SERVER = readFileSync(new URL("./server.py", import.meta.url), "utf8");
const reason = pythonSkipReason("torch", "numpy");
const ALL_MODULES = ["torch", "numpy", "torchvision", "onnx"];
/** Without these two, networks are compared that need neither, in formats that need neither. */
const noExtras = pythonSkipReason(...ALL_MODULES);
const noNote = shared("seed/note_models.py").reason;

function facts(tensors: ReadonlyMap<string, TensorData>): Facts {
  return Object.fromEntries(
    [...tensors].map(([key, value]) => {
      const hash = createHash("sha256").update(toBytes(value)).digest("hex");
      return [key, [value.dtype, [...value.shape], hash]];
    }),
  );
}

/** vgg11_bn → vgg; wide_resnet50_2 and resnext50_32x4d → resnet. */
const familyOf = (name: string) => name.replace(/^.*(res)ne[xt]t?.*$/, "$1net").match(/^[a-z]+/)![0];

it("no family is left out", () => {
  const families = (names: readonly string[]) => [...new Set(names.map(familyOf))].sort();
  expect(families(CASES.map(({ name }) => name))).toEqual(families(Object.keys(MODELS)));
});

describe(`PyTorch's weights`, unless(reason), () => {
  const root = mkdtempSync(join(tmpdir(), "convnets-round-trip-"));
  const python = new PythonServer(SERVER, noExtras ? ["torch", "numpy"] : ALL_MODULES, [seedFolder]);
  afterAll(() => rmSync(root, { recursive: true }));

  it.for(CASES.map((example, i) => [example.name, JSON.stringify(example.options), i] as const))(
    "%s %s, there and back",
    async ([name, , i], { skip }) => {
      const { options, python: model, classifier } = CASES[i]!;
      const create = () => Object.assign(createModel(name, options), classifier && { classifier: classifier() });
      if (noExtras && model?.startsWith("torchvision")) skip(noExtras);
      if (noNote && model?.startsWith("note")) skip(noNote);
      const folder = join(root, String(i));
      mkdirSync(folder);
      const shapes = [...create().stateShapes()];
      const given = await python.ask<Facts>({ do: "make", folder, seed: i, model: model ?? null, shapes });

      let state = new Map<string, TensorData>();
      for (const file of ["zip.pth", "stream.pth", "theirs.safetensors"]) {
        const { tensors } = await readCheckpoint(join(folder, file), { convert: "none" });
        expect(facts(tensors), file).toEqual(given);
        state = create().loadStateDict(tensors).stateDict();
        expect([...state.keys()], file).toEqual(Object.keys(given));
        for (const [key, value] of state) expect(value, key).toBe(tensors.get(key));
      }

      const ours: Checkpoint = { tensors: state, metadata: { architecture: name } };
      await writeCheckpoint(join(folder, "ours.pth"), ours);
      await writeCheckpoint(join(folder, "ours.safetensors"), ours);
      const loaded = create().loadStateDict(state).eval();
      const { bytes, weights } = exportOnnx(loaded, { input: imagesOf(loaded, "N"), aux: true });
      writeFileSync(join(folder, "ours.onnx"), bytes);

      const files = ["ours.pth", "ours.safetensors", ...(noExtras ? [] : ["ours.onnx"])];
      const back = await python.ask<Record<string, Facts>>({ do: "read", folder, files });
      expect(back["ours.pth"]).toEqual(given);
      expect(Object.keys(back["ours.pth"]!)).toEqual(Object.keys(given));
      expect(back["ours.safetensors"]).toEqual(given);
      // an inference graph has no use for the count of batches, nor torchvision's for auxiliary classifiers
      const used = Object.fromEntries(Object.entries(given).filter(([key]) => weights.has(key)));
      const unused = Object.keys(given).filter((key) => !weights.has(key));
      expect(unused.filter((key) => !/num_batches_tracked$|^aux[12]\./.test(key))).toEqual([]);
      if (!noExtras) expect(back["ours.onnx"]).toEqual(used);
      expect(facts((await readOnnx(join(folder, "ours.onnx"))).weights)).toEqual(used);
      rmSync(folder, { recursive: true });
    },
  );

  it("that do not fit are refused with all that is wrong", async () => {
    const folder = join(root, "wrong");
    mkdirSync(folder);
    const shapes = [...createModel("vgg_small").stateShapes()].flatMap(([key, shape]) => {
      if (key === "features.1.bias") return [["features.1.offset", shape]];
      return [[key, key === "classifier.weight" ? [7, 128] : shape]];
    });
    await python.ask({ do: "make", folder, seed: 0, model: null, shapes });
    for (const file of ["zip.pth", "stream.pth", "theirs.safetensors"]) {
      const { tensors } = await readCheckpoint(join(folder, file));
      expect(() => createModel("vgg_small").loadStateDict(tensors), file).toThrow(
        [
          "the state dict does not fit",
          "  missing: features.1.bias",
          "  unexpected: features.1.offset",
          "  of another shape or type: classifier.weight (float32[7, 128] instead of float32[10, 128])",
        ].join("\n"),
      );
    }
  });
});
