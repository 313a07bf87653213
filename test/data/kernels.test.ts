import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { compileKernels } from "../../scripts/kernels.ts";

it("src/data/kernels.ts is what kernels/image.ts compiles to", async () => {
  const file = new URL("../../src/data/kernels.ts", import.meta.url);
  expect(readFileSync(file, "utf8"), "run `npm run kernels`").toBe(await compileKernels());
});
