import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Checkpoint,
  CheckpointError,
  openCheckpoint,
  readCheckpoint,
  writeAtomically,
  writeCheckpoint,
} from "../../src/checkpoint/node/index.ts";
import { type TensorData, tensor } from "../../src/graph/tensor.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "checkpoint-"));
});
afterEach(() => rm(folder, { recursive: true }));

const checkpoint = (value: number, length = 3): Checkpoint => ({
  tensors: new Map<string, TensorData>([
    ["weight", tensor("float32", [length], new Float32Array(length).fill(value))],
    ["count", tensor("int64", [], BigInt64Array.of(BigInt(value)))],
  ]),
  metadata: { architecture: "tiny" },
});

describe("readCheckpoint and writeCheckpoint", () => {
  it.each(["a.safetensors", "a.pth", "a.pt", "A.PTH"])("write and read %s", async (name) => {
    const path = join(folder, name);
    await writeCheckpoint(path, checkpoint(1));
    await writeCheckpoint(path, checkpoint(2));
    expect(await readCheckpoint(path)).toEqual(checkpoint(2));
    expect(await readdir(folder)).toEqual([name]);
  });

  it("go by content when reading, not by name", async () => {
    await writeCheckpoint(join(folder, "a.pth"), checkpoint(1));
    const path = join(folder, "b.safetensors");
    await writeFile(path, await readFile(join(folder, "a.pth")));
    expect(await readCheckpoint(path)).toEqual(checkpoint(1));
    const file = await openCheckpoint(path);
    expect(file.format).toBe("torch");
    expect(file.tensors.get("weight")).toEqual({ dtype: "float32", shape: [3] });
    await file.close();
  });

  it("name the file in their errors", async () => {
    const path = join(folder, "a.pth");
    await writeFile(path, "not weights");
    await expect(readCheckpoint(path)).rejects.toThrow(`${path}: this is no weight file`);
    await writeCheckpoint(path, checkpoint(1));
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 30));
    await expect(readCheckpoint(path)).rejects.toThrow(CheckpointError);
    await expect(readCheckpoint(path)).rejects.toThrow(path);
    await expect(readCheckpoint(join(folder, "none.pth"))).rejects.toThrow("none.pth: there is no such file");
    await expect(readCheckpoint(folder)).rejects.toThrow(`${folder}: is a directory; a file was expected`);
    await expect(writeCheckpoint(join(folder, "a.bin"), checkpoint(1))).rejects.toThrow(
      "must end in .safetensors, .pth",
    );
  });
});

describe("writeAtomically", () => {
  it("keeps the old file and leaves nothing beside it where writing fails", async () => {
    const path = join(folder, "a.safetensors");
    await writeCheckpoint(path, checkpoint(1));
    function* broken(): Generator<Uint8Array> {
      yield new Uint8Array(1000);
      throw new Error("no more");
    }
    await expect(writeAtomically(path, broken())).rejects.toThrow("no more");
    expect(await readCheckpoint(path)).toEqual(checkpoint(1));
    expect(await readdir(folder)).toEqual(["a.safetensors"]);
  });

  it("lets several writers of one file run: the last to end wins, whole", async () => {
    const path = join(folder, "a.safetensors");
    await Promise.all(Array.from({ length: 8 }, (_, i) => writeCheckpoint(path, checkpoint(i, 10_000))));
    const { tensors } = await readCheckpoint(path);
    const [value] = tensors.get("weight")!.data;
    expect({ tensors, metadata: { architecture: "tiny" } }).toEqual(checkpoint(Number(value), 10_000));
    expect(await readdir(folder)).toEqual(["a.safetensors"]);
  });

  it("removes what a killed process left half written, and nothing else", async () => {
    const { pid } = spawnSync("true");
    const others = [".b.pth.1-0.tmp", `.a.pth.${process.ppid}-0.tmp`, ".a.pth.notes.tmp"];
    for (const name of [`.a.pth.${pid}-3.tmp`, ...others]) await writeFile(join(folder, name), "half");
    await writeCheckpoint(join(folder, "a.pth"), checkpoint(1));
    expect((await readdir(folder)).sort()).toEqual([...others, "a.pth"].sort());
  });

  it("writes through a link, not over it", async () => {
    await mkdir(join(folder, "real"));
    const real = join(folder, "real", "weights.pth");
    await writeCheckpoint(real, checkpoint(1));
    await symlink(real, join(folder, "link.pth"));
    await writeCheckpoint(join(folder, "link.pth"), checkpoint(2));
    expect(await readCheckpoint(real)).toEqual(checkpoint(2));
    expect(await readdir(join(folder, "real"))).toEqual(["weights.pth"]);
  });

  it("says that the disk is full and keeps the old file", async ({ skip }) => {
    const disk = join(folder, "disk");
    await mkdir(disk);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], { encoding: "utf8" });
    if (mounted.status !== 0) {
      const reason = `a small disk cannot be mounted here (${mounted.error?.message ?? mounted.stderr.trim()})`;
      skip(reason);
    }
    try {
      const path = join(disk, "a.safetensors");
      await writeCheckpoint(path, checkpoint(1));
      const failure = await writeCheckpoint(path, checkpoint(2, 1_000_000)).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(CheckpointError);
      expect((failure as Error).message).toContain(`${path}: the disk is full`);
      expect(await readCheckpoint(path)).toEqual(checkpoint(1));
      expect(await readdir(disk)).toEqual(["a.safetensors"]);
    } finally {
      spawnSync("umount", [disk]);
    }
  });
});
