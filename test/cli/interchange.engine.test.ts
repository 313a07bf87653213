/** `convnets inspect` and `convnets convert`, run as people run them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Checkpoint, readCheckpoint, writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { type TensorData, tensor } from "../../src/graph/index.ts";
import { createModel } from "../../src/models/index.ts";
import { readOnnx } from "../../src/onnx/node/index.ts";
import { Random } from "../../src/random.ts";
import { convnets } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-interchange-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const run = (...args: string[]) => convnets(args, { cwd: folder });

const model = createModel("inception_small", { numClasses: 4 }).initialize(1);
const state = model.stateDict();
const metadata = {
  architecture: "inception_small",
  variant: "note",
  classes: '["a","b","c","d"]',
  note: "x".repeat(200),
};
const bits = ({ dtype, shape, data }: TensorData) => [
  dtype,
  [...shape],
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64"),
];
const all = (tensors: ReadonlyMap<string, TensorData>) => [...tensors].map(([name, value]) => [name, ...bits(value)]);

beforeAll(async () => {
  await writeCheckpoint(at("a.safetensors"), { tensors: state, metadata });
  await writeCheckpoint(at("bare.pth"), { tensors: state, metadata: {} });
});

describe("convert", () => {
  it("writes networks for images of the size and channels that the metadata tell", async () => {
    const grey = createModel("inception_small", { numClasses: 4, inChannels: 1 }).initialize(1).stateDict();
    const told = { architecture: "inception_small", variant: "note", inputSize: "28", inChannels: "1" };
    await writeCheckpoint(at("grey.safetensors"), { tensors: grey, metadata: told });
    expect(run("convert", "grey.safetensors", "grey.onnx")).toMatchObject({ status: 0, stderr: "" });
    expect((await readOnnx(at("grey.onnx"), { fold: false })).graph.inputs[0]!.shape).toEqual(["N", 1, 28, 28]);
    expect(run("inspect", "grey.onnx", "--key", "model")).toMatchObject({ status: 2 });
    rmSync(at("grey.safetensors"));
    rmSync(at("grey.onnx"));
  });

  const random = new Random(5);
  const noise = (dtype: TensorData["dtype"], Type: new (buffer: ArrayBuffer) => TensorData["data"], size: number) =>
    ({
      dtype,
      shape: [6],
      data: new Type(Uint8Array.from({ length: 6 * size }, () => random.integer(256)).buffer),
    }) as TensorData;
  /** Every bit pattern, NaNs of all kinds among them, in every type that PyTorch has. */
  const mixed: Checkpoint = {
    tensors: new Map<string, TensorData>([
      ["double", noise("float64", Float64Array, 8)],
      ["single", noise("float32", Float32Array, 4)],
      ["half", noise("float16", Uint16Array, 2)],
      ["brain", noise("bfloat16", Uint16Array, 2)],
      ["long", noise("int64", BigInt64Array, 8)],
      ["byte", noise("uint8", Uint8Array, 1)],
      ["flag", tensor("bool", [2], Uint8Array.of(0, 1))],
      ["scalar", tensor("float32", [], Float32Array.of(-0))],
      ["empty", tensor("float32", [0, 3], new Float32Array(0))],
    ]),
    metadata: { classes: '["ü"]' },
  };

  it("keeps every bit and the metadata, there and back", async () => {
    await writeCheckpoint(at("mixed.pth"), mixed);
    for (const [from, to] of [
      ["mixed.pth", "mixed.safetensors"],
      ["mixed.safetensors", "back.pt"],
      ["back.pt", "again.safetensors"],
    ] as const) {
      const { stdout, stderr, status } = run("convert", from, to);
      expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
      expect(stdout).toMatch(new RegExp(`^${to}  0\\.00\\d MB, 9 tensors\\n$`));
      const read = await readCheckpoint(at(to), { convert: "none" });
      expect(all(read.tensors)).toEqual(all(mixed.tensors));
      expect(read.metadata).toEqual(mixed.metadata);
    }
    expect(readFileSync(at("again.safetensors"))).toEqual(readFileSync(at("mixed.safetensors")));
  });

  it("changes the type of real numbers alone", async () => {
    for (const dtype of ["float16", "bfloat16", "float32"]) {
      expect(run("convert", "a.safetensors", `${dtype}.pth`, "--dtype", dtype).status).toBe(0);
      const { tensors } = await readCheckpoint(at(`${dtype}.pth`), { convert: "none" });
      for (const [name, value] of state)
        expect(tensors.get(name)!.dtype, name).toBe(value.dtype === "float32" ? dtype : "int64");
    }
    expect(all((await readCheckpoint(at("float32.pth"))).tensors)).toEqual(all(state));
  });

  it.each([
    ["as the metadata say", "a.safetensors", []],
    ["as the keys say", "bare.pth", []],
    ["as asked", "bare.pth", ["--model", "inception_small", "--num-classes", "4", "--input", "1,3,32,32"]],
  ])("writes the network, %s, and takes its weights out again", async (_, from, flags) => {
    expect(run("convert", from, "net.onnx", "--force", ...flags)).toMatchObject({ stderr: "", status: 0 });
    const { weights, metadata: written } = await readOnnx(at("net.onnx"));
    expect(written).toMatchObject({ architecture: "inception_small", variant: "note" });
    for (const [name, value] of weights) expect(bits(value)).toEqual(bits(state.get(name)!));
    expect(run("convert", "net.onnx", "out.safetensors", "--force").status).toBe(0);
    const out = await readCheckpoint(at("out.safetensors"));
    expect(out.metadata).toEqual(written);
    const loaded = createModel("inception_small", { numClasses: 4 }).loadStateDict(out.tensors).stateDict();
    expect(all(loaded)).toEqual(all(state));
  });

  it("finds out classes and channels that nobody tells", async () => {
    const grey = createModel("nin", { numClasses: 3, inChannels: 1 }).initialize(1).stateDict();
    await writeCheckpoint(at("grey.pth"), { tensors: grey, metadata: { architecture: "nin" } });
    expect(run("convert", "grey.pth", "grey.onnx")).toMatchObject({ stderr: "", status: 0 });
    const { graph, metadata: written } = await readOnnx(at("grey.onnx"));
    expect(graph.inputs[0]!.shape).toEqual(["N", 1, 32, 32]);
    expect([...graph.outputs.values()][0]!.shape.slice(0, 2)).toEqual(["N", 3]);
    expect(written).toEqual({ architecture: "nin", variant: "note" });
  });

  it("leaves what is there as it is without --force", async () => {
    writeFileSync(at("there.pth"), "precious");
    expect(run("convert", "a.safetensors", "there.pth")).toMatchObject({
      status: 2,
      stderr: "error: there.pth already exists; --force overwrites it\n",
    });
    expect(readFileSync(at("there.pth"), "utf8")).toBe("precious");
    expect(run("convert", "there.pth", "new.safetensors")).toMatchObject({ status: 1, stdout: "" });
    expect(run("convert", "a.safetensors", "there.pth", "--force").status).toBe(0);
    expect((await readCheckpoint(at("there.pth"))).tensors.size).toBe(state.size);
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp") || name.startsWith("new"))).toEqual([]);
  });

  it("lists what does not fit together, and writes nothing", async () => {
    const wrong = new Map(state);
    const [first, second] = [...state.keys()] as [string, string];
    wrong.delete(first);
    wrong.set("other", tensor("float32", [1], Float32Array.of(1)));
    wrong.set(second, tensor("float32", [3], new Float32Array(3)));
    await writeCheckpoint(at("wrong.safetensors"), { tensors: wrong, metadata });
    const { stderr, status } = run("convert", "wrong.safetensors", "wrong.onnx");
    expect(status).toBe(1);
    expect(stderr).toContain(
      `missing: ${first}\n  unexpected: other\n  of another shape or type: ${second} (float32[3]`,
    );
    expect(readdirSync(folder)).not.toContain("wrong.onnx");
  });

  it.each([
    [["gone.pth", "b.safetensors"], "there is no file gone.pth"],
    [[".", "b.safetensors"], ". is a directory without best.safetensors: it is not a run"],
    [["a.safetensors", "b.npz"], "b.npz has to end in .safetensors, .pth, .pt, .onnx"],
    [["a.safetensors", "nowhere/b.pth"], "there is no folder nowhere"],
    [["net.onnx", "b.onnx"], "net.onnx is already an .onnx file"],
    [["a.safetensors", "b.onnx", "--dtype", "float16"], "networks compute in float32"],
    [["a.safetensors", "b.pth", "--dtype", "int8"], "Allowed choices are float32, float16, bfloat16"],
    [["a.safetensors", "b.pth", "--model", "nin"], "for writing .onnx files"],
    [["net.onnx", "b.pth", "--key", "model"], "--key, --rename and --integers are for weight files"],
    [
      ["mixed.pth", "b.onnx"],
      "mixed.pth does not record its network, and fits none of the built-in ones; pass the network with --model",
    ],
    [["bare.pth", "b.onnx", "--model", "nun"], 'no network and no file "nun"'],
  ])("%j is asked wrongly: exit code 2", (args, message) => {
    const { stdout, stderr, status } = run("convert", ...args);
    expect({ stdout, status }).toEqual({ stdout: "", status: 2 });
    expect(stderr).toContain(message);
  });
});

describe("inspect", () => {
  const numbers = [...state.values()].reduce((sum, { data }) => sum + data.length, 0);
  const size = [...state.values()].reduce((sum, { data }) => sum + data.byteLength, 0);

  it.each([
    ["a.safetensors", "safetensors"],
    ["bare.pth", "torch"],
  ])("tells all of %s", (file, format) => {
    const facts = JSON.parse(run("inspect", file, "--json").stdout);
    expect(facts).toMatchObject({ file, format, size: readFileSync(at(file)).length });
    expect(facts.metadata).toEqual(format === "torch" ? {} : metadata);
    expect(facts.tensors).toEqual(
      [...state].map(([name, { dtype, shape, data }]) => ({ name, dtype, shape, bytes: data.byteLength })),
    );
    expect(facts.networks).toEqual([{ model: "inception_small", variant: "note", numClasses: 4, inChannels: 3 }]);
  });

  it("in a table that adds up", () => {
    const { stdout } = run("inspect", "a.safetensors");
    const rows = [...stdout.matchAll(/^\S+ +(float32|int64) +\[[\d, ]*\] +([\d,]+)$/gm)];
    expect(rows).toHaveLength(state.size);
    const sum = rows.reduce((total, [, , bytes]) => total + Number(bytes!.replaceAll(",", "")), 0);
    expect(sum).toBe(size);
    const total = `${state.size} tensors, ${numbers.toLocaleString("en-US")} numbers, ${size.toLocaleString("en-US")} bytes`;
    expect(stdout.trimEnd().endsWith(total)).toBe(true);
    expect(stdout).toContain("fits      inception_small --variant note --num-classes 4\n");
    expect(stdout).toContain("note: xxx");
    expect(stdout).toContain("… (200 characters; --json shows all)");
  });

  it("tells operators, inputs and opset of an .onnx file, whatever it is called", async () => {
    run("convert", "a.safetensors", "model.onnx", "--force");
    writeFileSync(at("model"), readFileSync(at("model.onnx")));
    for (const file of ["model.onnx", "model"]) {
      const { format, onnx, tensors } = JSON.parse(run("inspect", file, "--json").stdout);
      const { graph, weights, opset, producer } = await readOnnx(at("model.onnx"));
      expect({ format, opset: onnx.opsets[""], producer: onnx.producer }).toEqual({ format: "onnx", opset, producer });
      expect(onnx.inputs).toEqual({ input: { dtype: "float32", shape: ["N", 3, 32, 32] } });
      expect(onnx.operators.Conv).toBe(graph.nodes.filter(({ op }) => op === "Conv").length);
      expect(tensors.map(({ name }: { name: string }) => name)).toEqual([...weights.keys()]);
    }
    const { stdout } = run("inspect", "model.onnx");
    expect(stdout).toMatch(/^opset {5}ONNX 17 \(IR version 8\)$/m);
    expect(stdout).toMatch(/^operators .*\bConv ×\d+/m);
  });

  it.each([
    [["gone.pth"], 2, "there is no file gone.pth"],
    [["."], 2, ". is neither a run nor a data set"],
    [["bare.pth", "--key", "ema"], 1, "bare.pth: "],
    [["text.onnx"], 1, "text.onnx: this is no ONNX file"],
    [["text.pth"], 1, "text.pth: this is no weight file: it is a text file"],
    [["net.mjs"], 2, "net.mjs is code; convnets summary net.mjs shows its network"],
    [["evil.pth"], 1, "its end is probably missing, so download it again"],
  ])("%j: exit code %i", (args, code, message) => {
    for (const name of ["text.onnx", "text.pth", "net.mjs"]) writeFileSync(at(name), "hello, this is text");
    const evil = Buffer.from(
      "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.\x80\x02cos\nsystem\nX\x04\x00\x00\x00exit\x85R.",
      "latin1",
    );
    writeFileSync(at("evil.pth"), evil);
    const { stderr, status } = run("inspect", ...args);
    expect(status).toBe(code);
    expect(stderr).toContain(message);
  });
});
