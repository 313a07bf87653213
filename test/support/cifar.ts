/** Data sets in CIFAR-10's binary form, for tests of whole programs. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { shapes } from "../../src/data/index.ts";

/** Bytes of an image of 3×32×32, and of its label before it. */
const IMAGE = 3072;

/** Makes a folder with generated images, `length` in each of the six files. */
export function writeCifar(folder: string, length: number): void {
  mkdirSync(folder);
  const training = [1, 2, 3, 4, 5].map((i) => [`data_batch_${i}.bin`, "train", i] as const);
  for (const [file, split, seed] of [...training, ["test_batch.bin", "test", 0] as const]) {
    const { memory } = shapes({ split, seed, length });
    const bytes = new Uint8Array(length * (1 + IMAGE));
    for (let i = 0; i < length; i++) {
      bytes[i * (1 + IMAGE)] = memory.labels![i]!;
      bytes.set(memory.images.subarray(i * IMAGE, (i + 1) * IMAGE), i * (1 + IMAGE) + 1);
    }
    writeFileSync(join(folder, file), bytes);
  }
}
