/** Documents whose programs run in moments: they run, and print what the documents show. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { transformSync } from "esbuild";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { NORMALIZATION, shapes, toInterleaved } from "../../src/data/index.ts";
import { createModel } from "../../src/models/index.ts";
import "../cli/run.ts";
import { outputPattern, programsOf, workspace } from "./documents.ts";

/** Runs the files one after the other: to load the library takes longer than most of them do. Marks the end of what each prints. */
const RUN_ALL = `
for (const file of process.argv.slice(1)) {
  await import(file).catch((error) => console.error(error));
  for (const stream of [process.stdout, process.stderr]) stream.write("\\x1e");
}
`;

describe.each([
  "docs/drawing.md",
  "docs/gradients.md",
  "docs/guide.md",
  "docs/networks.md",
  "docs/coming-from-pytorch.md",
  "docs/coming-from-tensorflowjs.md",
])("%s", (document) => {
  const folder = workspace();
  const programs = programsOf(document);
  let printed: { stdout: string[]; stderr: string[]; status: number | null };
  beforeAll(async () => {
    await addFiles(folder);
    const files = programs.map(({ name, code }) => {
      // tsx would take a second to start
      const file = join(folder, `${name}.mjs`);
      writeFileSync(file, transformSync(code, { loader: "ts" }).code);
      return pathToFileURL(file).href;
    });
    const args = ["--input-type=module", "-e", RUN_ALL, ...files];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
    printed = { stdout: stdout.split("\x1e"), stderr: stderr.split("\x1e"), status };
  }, 300_000);

  it.each(programs.map(({ name, output }, i) => ({ name, output, i })))("$name", ({ output, i }) => {
    expect(printed.stderr[i]).toBe("");
    if (output === "") expect(printed.stdout.length).toBeGreaterThan(i + 1);
    else expect(printed.stdout[i]).toMatch(outputPattern(output));
  });

  it("end", () => expect(printed).toMatchObject({ status: 0, stderr: { length: programs.length + 1 } }));
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
