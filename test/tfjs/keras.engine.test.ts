/** Models that Keras saved, compared with Keras' own outputs; test/tfjs/keras_models.py wrote them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { zipSync } from "fflate";
import h5wasm from "h5wasm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSource } from "../../src/classify/node/index.ts";
import { tensor } from "../../src/graph/index.ts";
import { compile } from "../../src/infer/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { TfjsError } from "../../src/tfjs/index.ts";
import { readHdf5 } from "../../src/tfjs/node/hdf5.ts";
import { readImportedFacts, readImportedModule } from "../../src/tfjs/node/index.ts";

const FIXTURES = fileURLToPath(new URL("fixtures", import.meta.url));
const expected = JSON.parse(readFileSync(join(FIXTURES, "outputs.json"), "utf8"));
const engine = nodeEngine({ threads: 1 });
const folder = mkdtempSync(join(tmpdir(), "convnets-keras-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The images of keras_models.py as [N, C, H, W]. */
function images() {
  const data = new Float32Array(2 * 3 * 64);
  for (let n = 0, i = 0; n < 2; n++)
    for (let at = 0; at < 64; at++)
      for (let c = 0; c < 3; c++, i++) data[(n * 3 + c) * 64 + at] = ((i * 37) % 256) / 256;
  return tensor("float32", [2, 3, 8, 8], data);
}

it.each(["sequential_model.keras", "functional_model.h5"])("%s computes what Keras does", async (name) => {
  const path = join(FIXTURES, name);
  const predict = await compile(await readImportedModule(path), { engine });
  const { data } = await predict.main(images());
  await predict.dispose();
  for (const [i, value] of expected[name].flat().entries()) expect(data[i]).toBeCloseTo(value, 6);
  const facts = await readImportedFacts(path);
  expect(facts.producer).toBe(`Keras ${expected.keras}`);
  expect([...facts.inputs.values()][0]!.shape.slice(1)).toEqual([3, 8, 8]);
});

it("one sigmoid is the probability of the second of two classes", async () => {
  const path = join(FIXTURES, "functional_model.h5");
  const { model, weights, assumed } = await openSource(path, { classes: ["no", "yes"] });
  expect(assumed.join("\n")).toMatch(/one output, a sigmoid: it is the probability of the second of two classes/);
  const predict = await compile(model, { engine, weights });
  const { shape, data } = await predict.main(images());
  await predict.dispose();
  expect(shape).toEqual([2, 2]);
  for (const n of [0, 1])
    expect(1 / (1 + Math.exp(data[2 * n]! - data[2 * n + 1]!))).toBeCloseTo(expected["functional_model.h5"][n][0], 6);
});

it("HDF5: a file that the library never finishes reading is refused, and the next file is read", async () => {
  const whole = () => new Uint8Array(readFileSync(join(FIXTURES, "functional_model.h5")));
  const endless = whole();
  // texts lie one after the other, each after its length, which now leads back to its own start
  const texts = Buffer.from(endless.buffer).indexOf("GCOL");
  new DataView(endless.buffer).setBigInt64(texts + 24, -16n, true);
  const [refused, read] = await Promise.allSettled([readHdf5(endless, 1), readHdf5(whole())]);
  expect(refused).toMatchObject({
    reason: new TfjsError("the HDF5 file is damaged: the HDF5 library did not finish reading it within 1 s"),
  });
  expect(read).toMatchObject({ status: "fulfilled" });
});

/** Types of numbers in HDF5: kind, size, and the bits of sign, exponent and mantissa. */
const FLOAT32 = [0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0];
const FLOAT16 = [0x11, 0x20, 15, 0, 2, 0, 0, 0, 0, 0, 16, 0, 10, 5, 0, 10, 15, 0, 0, 0];

describe("what Keras 2 wrote", () => {
  const at = (name: string) => join(folder, name);
  const shape = { class_name: "InputLayer", config: { name: "in", batch_input_shape: [null, 4, 4, 1] } };
  const dense = { class_name: "Dense", config: { name: "scores", units: 2, activation: "linear" } };
  const flatten = { class_name: "Flatten", config: { name: "flat" } };
  const config = JSON.stringify({ class_name: "Sequential", config: { name: "old", layers: [shape, flatten, dense] } });
  beforeAll(async () => {
    const { FS } = await h5wasm.ready;
    const write = (name: string, model_config?: string) => {
      const file = new h5wasm.File("made.h5", "w");
      if (model_config !== undefined) file.create_attribute("model_config", model_config);
      const weights = file.create_group("model_weights").create_group("scores").create_group("scores");
      weights.create_dataset({ name: "kernel:0", data: new Float32Array(32).map((_, i) => i), shape: [16, 2] });
      weights.create_dataset({ name: "bias:0", data: Float32Array.of(1, -1) });
      file.close();
      writeFileSync(at(name), FS.readFile("made.h5"));
    };
    write("old.h5", config);
    write("weights.h5");
    const half = Buffer.from(readFileSync(join(FIXTURES, "functional_model.h5")));
    const [float32, float16] = [FLOAT32, FLOAT16].map((bytes) => Buffer.from(bytes));
    float16!.copy(half, half.indexOf(float32!));
    writeFileSync(at("half.h5"), half);
    write("wrong.h5", config.replace("Flatten", "Lambda"));
    writeFileSync(at("cut.h5"), readFileSync(at("old.h5")).subarray(0, 2000));
    writeFileSync(at("text.h5"), "<html>");
    writeFileSync(at("empty.keras"), zipSync({ "a.txt": new Uint8Array(3) }));
  });

  it("is read: names end in :0, and the vector of a 1-channel image keeps its order", async () => {
    const predict = await compile(await readImportedModule(at("old.h5")), { engine });
    const x = Float32Array.from({ length: 16 }, (_, i) => i);
    const { data } = await predict.main(tensor("float32", [1, 1, 4, 4], x));
    await predict.dispose();
    const sum = (k: number) => x.reduce((all, value, i) => all + value * (2 * i + k), 0);
    expect([...data]).toEqual([sum(0) + 1, sum(1) - 1]);
  });

  it.each([
    ["weights.h5", /weights\.h5: it holds weights only, .* model\.save\("model\.keras"\)/],
    ["wrong.h5", /wrong\.h5: .*Lambda/],
    ["half.h5", /half\.h5: the array "model_weights\/[^"]+" is float16, .* save the model with float32/],
    ["cut.h5", /cut\.h5: the HDF5 file is damaged: truncated file/],
    ["text.h5", /text\.h5: this is no HDF5 file/],
    ["empty.keras", /empty\.keras: this is no model of Keras: there is no config\.json in the archive/],
  ])("%s is refused with the reason", async (name, message) => {
    await expect(readImportedModule(at(name))).rejects.toThrow(message);
  });
});
