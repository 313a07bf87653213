import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

test("WebAssembly and the native build run in one process, whichever comes first", () => {
  const program = `
    import { compile, Conv2d } from "convnets";
    import { nodeEngine } from "convnets/node";
    import { zeros } from "convnets";
    const model = new Conv2d(16, 16, 3).initialize(1);
    for (const build of ["wasm", "native", "wasm"]) {
      const predict = await compile(model, { engine: nodeEngine({ build, threads: 1 }) });
      console.log(build, (await predict(zeros("float32", [1, 16, 8, 8]))).shape.join());
      await predict.dispose();
    }
  `;
  const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", program], { encoding: "utf8" });
  expect(printed).toBe("wasm 1,16,6,6\nnative 1,16,6,6\nwasm 1,16,6,6\n");
});
