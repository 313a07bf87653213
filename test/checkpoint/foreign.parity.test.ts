/** Checkpoints as people write them with PyTorch and Python, read here and compared bit for bit. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCheckpoint, readCheckpoint } from "../../src/checkpoint/node/index.ts";
import { countFitting, type TensorData, toBytes } from "../../src/graph/index.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";

/** TorchScript needs the source of a module, and so the script as a file. */
const RUN = 'import runpy, sys\nrunpy.run_path(sys.argv[1], run_name="__main__")';
const SCRIPT = fileURLToPath(new URL("./foreign.py", import.meta.url));

type Facts = [dtype: string, shape: number[], sha256: string];

interface Expected {
  tensors: Record<string, Facts>;
  integers?: Record<string, Facts>;
  metadata?: Record<string, string>;
  key?: string;
  sets?: string[];
  notes?: string[];
  unknown?: string[];
  /** More or fewer tensors may be read. */
  loose?: boolean;
  /** NaNs are compared as 0. */
  nans?: boolean;
}

function facts({ dtype, shape, data }: TensorData, nans = false): Facts {
  const compared = nans && data instanceof Float32Array ? data.map((value) => (Number.isNaN(value) ? 0 : value)) : data;
  const bytes = toBytes({ dtype, shape, data: compared } as TensorData);
  return [dtype, [...shape], createHash("sha256").update(bytes).digest("hex")];
}

describe("checkpoints of others", unless(pythonSkipReason("torch", "numpy")), () => {
  let folder: string;
  let expected: Record<string, Expected>;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "foreign-"));
    expected = JSON.parse(python(RUN, { args: [SCRIPT, folder], modules: ["torch", "numpy"] }));
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("each is read bit for bit, by the set, with the notes, and without executing anything", async () => {
    expect(Object.keys(expected).length).toBeGreaterThanOrEqual(25);
    for (const [name, wanted] of Object.entries(expected)) {
      const path = join(folder, name);
      const opened = await openCheckpoint(path, { convert: "none" });
      await opened.close();
      const { tensors, metadata } = await readCheckpoint(path, { convert: "none" });
      const read = Object.fromEntries([...tensors].map(([key, value]) => [key, facts(value, wanted.nans)]));
      if (wanted.loose) expect(read, name).toMatchObject(pick(wanted.tensors, read));
      else expect(read, name).toEqual(wanted.tensors);
      if (wanted.key !== undefined) expect(opened.key, name).toBe(wanted.key);
      if (wanted.sets) expect(opened.sets, name).toEqual(wanted.sets);
      if (wanted.metadata) expect(metadata, name).toMatchObject(wanted.metadata);
      if (wanted.unknown) expect(opened.unknown, name).toEqual(expect.arrayContaining(wanted.unknown));
      for (const note of wanted.notes ?? []) expect(opened.notes?.join("\n"), name).toContain(note);
      if (wanted.integers) {
        const { tensors, notes } = await readCheckpoint(path, { convert: "none", quantized: "integers" });
        expect(notes?.join("\n"), name).toContain("5 quantized tensors kept as integers");
        for (const [key, value] of Object.entries(wanted.integers)) expect(facts(tensors.get(key)!)).toEqual(value);
      }
    }
  });

  it("of several sets, the one that fits is taken, and the choice told", async () => {
    const path = join(folder, "gan.pth");
    const shapes = new Map([["w", [2]]]);
    const { tensors, notes } = await readCheckpoint(path, { fits: (entries) => countFitting(entries, shapes) });
    expect([...tensors.keys()]).toEqual(["w"]);
    expect(notes).toEqual([
      'the file holds several sets of weights, all together, "generator", "discriminator"; "discriminator" fits the network; --key picks another',
    ]);
    const ema = await readCheckpoint(join(folder, "ema.pth"), { key: "ema" });
    const model = await readCheckpoint(join(folder, "ema.pth"));
    expect(ema.tensors.get("fc.bias")!.data[0]).toBeCloseTo(Number(model.tensors.get("fc.bias")!.data[0]) + 1, 5);
    await expect(readCheckpoint(path, { key: "critic" })).rejects.toThrow(
      /no "critic" in the file; it holds "generator"/,
    );
  });

  it("keys are renamed", async () => {
    const path = join(folder, "lightning.ckpt");
    const { tensors } = await readCheckpoint(path, {
      rename: [
        ["model.", ""],
        ["fc.", "head."],
      ],
    });
    expect([...tensors.keys()]).toContain("head.weight");
    expect([...tensors.keys()]).toContain("features.0.weight");
    await expect(readCheckpoint(path, { rename: [["net.", ""]] })).rejects.toThrow(
      /no key begins with "net\."; the keys are model\./,
    );
  });
});

/** The wanted facts for which there is something. TorchScript keeps more of a module than its state dict, or less. */
function pick(wanted: Record<string, Facts>, read: Record<string, Facts>): Record<string, Facts> {
  const common = Object.entries(wanted).filter(([key]) => key in read);
  expect(common.length).toBeGreaterThanOrEqual(Object.keys(wanted).length - 3);
  return Object.fromEntries(common);
}
