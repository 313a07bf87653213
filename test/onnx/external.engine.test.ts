/** Models whose weights lie in other files: found beside the model, and nowhere else. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Graph, type TensorData, tensor } from "../../src/graph/index.ts";
import { decode, encode, OnnxError } from "../../src/onnx/index.ts";
import { readOnnx } from "../../src/onnx/node/index.ts";
import { Ops } from "../../src/operators/index.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "convnets-external-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A model whose weight is said to lie at a location. */
function model(location: string, { offset = 4, length = 8 } = {}): Uint8Array {
  const graph = new Graph();
  const x = graph.input("x", "float32", [2]);
  graph.output("y", new Ops(graph).add(x, graph.parameter("w", "float32", [2])));
  return encode(graph, { external: new Map([["w", { location, offset, length }]]) });
}

async function read(location: string, place = {}, inside = folder) {
  const path = join(inside, "model.onnx");
  writeFileSync(path, model(location, place));
  return readOnnx(path);
}

const WEIGHTS = Buffer.from(Float32Array.of(9, 1, 2, 9).buffer);

describe("weights in another file", () => {
  it("are read from beside the model, folders below included", async () => {
    mkdirSync(join(folder, "below"));
    for (const name of ["w.bin", "below/w.bin", "./w.bin"]) {
      writeFileSync(join(folder, name), WEIGHTS);
      const { weights } = await read(name);
      expect(weights.get("w")).toEqual(tensor("float32", [2], Float32Array.of(1, 2)));
    }
  });

  it.each([
    ["../w.bin", "leads out of the folder"],
    ["below/../../w.bin", "leads out of the folder"],
    ["..\\w.bin", "leads out of the folder"],
    ["/etc/passwd", "leads out of the folder"],
    ["C:\\w.bin", "leads out of the folder"],
    ["w.bin\0.txt", "leads out of the folder"],
    ["link.bin", "leads out of the folder"],
    ["linked/w.bin", "leads out of the folder"],
    [".", "leads out of the folder"],
    ["none.bin", "is not beside it"],
    ["below", "is no file"],
    ["", "does not say in which"],
  ])("at %j are refused: %s", async (location, message) => {
    const inner = join(folder, "inner");
    mkdirSync(join(inner, "below"), { recursive: true });
    const outside = join(folder, "w.bin");
    writeFileSync(outside, WEIGHTS);
    for (const [target, link] of [
      [outside, "link.bin"],
      [folder, "linked"],
    ] as const) {
      rmSync(join(inner, link), { force: true });
      symlinkSync(target, join(inner, link));
    }
    const error = await read(location, {}, inner).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OnnxError);
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).toContain("model.onnx");
  });

  it("have to be all there", async () => {
    writeFileSync(join(folder, "w.bin"), WEIGHTS);
    await expect(read("w.bin", { offset: 12 })).rejects.toThrow(
      "has 16 bytes, but the weights are said to lie at 12 to 20",
    );
    await expect(read("w.bin", { length: 12 })).rejects.toThrow("8 bytes are needed");
    await expect(read("w.bin", { offset: -4 })).rejects.toThrow("8 bytes are needed");
    await expect(read("w.bin", { offset: 2 ** 60 })).rejects.toThrow("8 bytes are needed");
  });

  it("are asked for where only bytes are given", () => {
    expect(() => decode(model("w.bin"))).toThrow('lies in the file "w.bin"; read the model by its path');
    const asked: unknown[] = [];
    const external = (data: unknown) => {
      asked.push(data);
      return new Uint8Array(8);
    };
    const { weights } = decode(model("w.bin"), { external });
    expect(asked).toEqual([{ location: "w.bin", offset: 4, length: 8 }]);
    expect((weights.get("w") as TensorData).shape).toEqual([2]);
    expect(() => decode(model("w.bin"), { external: () => new Uint8Array(7) })).toThrow(
      'takes 8 bytes, but "w.bin" has 7',
    );
  });
});
