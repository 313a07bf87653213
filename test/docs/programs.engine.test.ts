/** Documents whose programs run in moments: they run, and print what the documents show. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transformSync } from "esbuild";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { NORMALIZATION, shapes, toInterleaved } from "../../src/data/index.ts";
import { createModel } from "../../src/models/index.ts";
import "../cli/run.ts";
import { outputPattern, programsOf, runFile, workspace } from "./documents.ts";

describe.each([
  "docs/drawing.md",
  "docs/gradients.md",
  "docs/guide.md",
  "docs/networks.md",
  "docs/coming-from-pytorch.md",
  "docs/coming-from-tensorflowjs.md",
])("%s", (document) => {
  const folder = workspace();
  beforeAll(() => addFiles(folder));

  it.each(programsOf(document))(
    "$name",
    ({ name, code, output }) => {
      // tsx would take a second to start
      const file = join(folder, `${name}.mjs`);
      writeFileSync(file, transformSync(code, { loader: "ts" }).code);
      const { stdout, stderr, status } = runFile(file);
      expect(stderr).toBe("");
      expect(status).toBe(0);
      if (output !== "") expect(stdout).toMatch(outputPattern(output));
    },
    120_000,
  );
});

/** What the programs find: a run, and photos. */
async function addFiles(folder: string): Promise<void> {
  const set = shapes({ split: "test", length: 3 });
  for (const name of ["run/shapes", "photos"]) mkdirSync(join(folder, name), { recursive: true });
  await writeCheckpoint(join(folder, "run/shapes/best.safetensors"), {
    tensors: createModel("vgg_small").initialize(1).stateDict(),
    metadata: {
      architecture: "vgg_small",
      classes: JSON.stringify(set.classes),
      preprocessing: JSON.stringify([{ normalize: NORMALIZATION.shapes }]),
    },
  });
  for (let i = 0; i < set.length; i++) {
    await sharp(toInterleaved(set.get(i).image), { raw: { width: 32, height: 32, channels: 3 } })
      .png()
      .toFile(join(folder, `photos/${i}.png`));
  }
}
