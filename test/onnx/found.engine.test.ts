/** .onnx files that others published: each opens and computes what ONNX Runtime makes of it, or is refused with the reason. */
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openSource } from "../../src/classify/node/index.ts";
import { loadModel } from "../../src/cli/model.ts";
import { compile } from "../../src/infer/index.ts";
import { readOnnxModule } from "../../src/onnx/node/index.ts";
import { summarize } from "../../src/summary/index.ts";
import { unless } from "../support/skip.ts";
import { difference, engine, normal, runFile } from "./support.ts";

const FOLDER = fileURLToPath(new URL("../../../shared/data/found/models", import.meta.url));
const reason = existsSync(FOLDER) ? undefined : `there is no ${FOLDER}`;
const names = reason === undefined ? readdirSync(FOLDER).filter((name) => name.endsWith(".onnx")) : [];
const path = (end: string) => `${FOLDER}/${names.find((name) => name.endsWith(end))!}`;

/** By the end of the name: weights, or why it is refused. */
const FILES: Readonly<Record<string, number | RegExp>> = {
  "model_fp32.onnx": 60_614,
  "model_int8.onnx": 0,
  "model_quantized.onnx": 0,
  "mnist-8.onnx": /this is no ONNX file: it is a text file/,
  "tf2onnx_mnist.onnx": 235_146,
  "cls_infer.onnx": 129_356,
  "caffe2_mnist_cnn.onnx": 21_840,
  "niivue-onnx_model.onnx": /\[5, 1, 3, 3, 3\] is that of a convolution over volumes; only images are supported/,
};

describe(".onnx files of others", unless(reason), () => {
  it.each(names)("%s opens, or is refused with the reason", async (name) => {
    const [, wanted] = Object.entries(FILES).find(([end]) => name.endsWith(end))!;
    if (wanted instanceof RegExp) return expect(loadModel(`${FOLDER}/${name}`)).rejects.toThrow(wanted);
    const { model, input } = await loadModel(`${FOLDER}/${name}`);
    expect(summarize(model, { input: input as number[] }).totals.params).toBe(wanted);
  });

  it("quantized networks give the numbers of ONNX Runtime, and nearly those in real numbers", async () => {
    for (const [end, shape, tolerance] of [
      ["model_int8.onnx", [1, 1, 96, 96], Number.POSITIVE_INFINITY],
      ["model_quantized.onnx", [2, 76, 41, 1], 0.01],
    ] as const) {
      const x = normal(shape);
      const [name] = (await readOnnxModule(path(end))).inputs.keys();
      const [wanted] = Object.values(await runFile(path(end), { [name!]: x }));
      const exact = await compile(await readOnnxModule(path(end)), { engine });
      expect(difference(await exact.main(x), wanted!)).toBe(0);
      const real = await compile(await readOnnxModule(path(end), { dequantize: true }), { engine });
      expect(difference(await real.main(x), wanted!)).toBeLessThan(tolerance);
      await Promise.all([exact.dispose(), real.dispose()]);
    }
    // within what quantization loses of the network that the first was made from
    const x = normal([1, 1, 96, 96]);
    const [real, original] = await Promise.all([
      readOnnxModule(path("model_int8.onnx"), { dequantize: true }),
      readOnnxModule(path("model_fp32.onnx")),
    ]);
    const predict = await compile(real, { engine });
    const other = await compile(original, { engine });
    expect(difference(await predict.main(x), await other.main(x))).toBeLessThan(0.03);
    expect([...real.stateShapes().values()].map(String).sort()).toEqual(
      [...original.stateShapes().values()].map(String).sort(),
    );
    await Promise.all([predict.dispose(), other.dispose()]);
  });

  it("images are brought into the form that a network takes", async () => {
    const { model, channels, preprocessing, assumed } = await openSource(path("model_quantized.onnx"));
    expect(channels).toBe(1);
    expect(preprocessing[0]).toEqual({ resize: { size: [76, 41] } });
    expect(assumed[0]).toMatch(/takes images as \[N, H, W, C\]; images are brought into that form/);
    const predict = await compile(model, { engine });
    expect((await predict.main(normal([3, 1, 76, 41]))).shape).toEqual([3, 10]);
    await predict.dispose();
    await expect(openSource(path("tf2onnx_mnist.onnx"))).rejects.toThrow(
      /does not classify images: it takes y_:0 \[.*, 10\], x:0 \[.*, 784\]/,
    );
  });

  it("what does not work says what to do", async () => {
    await expect(openSource(path("cls_infer.onnx"))).rejects.toThrow(
      /have to be known, but one is x_2; write it for images of your size: convnets export .*cls_infer\.onnx --input 1,3,224,224 -o/,
    );
    const quantized = await readOnnxModule(path("model_int8.onnx"));
    expect(() => quantized.withClasses(3)).toThrow(/comes from QGemm .*; the network is quantized; .* --dequantize/);
  });
});
