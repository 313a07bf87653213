/**
 * WebDataset: samples as files with a common name, 000001.jpg and 000001.cls, in one or many .tar files.
 *
 * Source: github.com/webdataset/webdataset, "The WebDataset Format".
 */
import { basename, join } from "node:path";
import { type Corrupt, DataError } from "../../errors.ts";
import { listFolder, readBytes } from "../files.ts";
import { imagesBelow } from "../image-folder.ts";
import { joined, type Labelled } from "../labelled.ts";
import { partNamed, type Split } from "../splits.ts";
import type { Form, Part } from "./form.ts";
import { classNamesIn, namedBy } from "./numpy.ts";

/** The name that the files of a sample share: up to the first dot. */
const keyOf = (path: string) => {
  const name = basename(path);
  return path.slice(0, path.length - name.length) + name.split(".")[0];
};

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();

/** The class in a .json file of a sample. */
function classInJson(content: string): string | undefined {
  try {
    const value = JSON.parse(content) as Record<string, unknown>;
    const found = value.label ?? value.cls ?? value.class ?? value.class_name;
    return typeof found === "string" || typeof found === "number" ? String(found) : undefined;
  } catch {
    return undefined;
  }
}

async function labelOf(image: string): Promise<string | undefined> {
  const key = keyOf(image);
  for (const ending of [".cls", ".cls.txt", ".label.txt"]) {
    const label = await readBytes(key + ending).then(text, () => undefined);
    if (label !== undefined) return label;
  }
  const json = await readBytes(`${key}.json`).then(text, () => undefined);
  return json === undefined ? undefined : classInJson(json);
}

async function readShard(folder: string, skipCorrupt: boolean): Promise<Labelled> {
  const files: string[] = [];
  const labels: string[] = [];
  const skipped: Corrupt[] = [];
  for (const image of (await imagesBelow(folder)).images) {
    const label = await labelOf(image);
    if (label !== undefined && label !== "") {
      files.push(image);
      labels.push(label);
      continue;
    }
    const reason = `there is no ${basename(keyOf(image))}.cls with its class`;
    if (!skipCorrupt) throw new DataError(reason, { file: image, skippable: true });
    skipped.push({ file: image, reason });
  }
  return { images: { kind: "files", files }, labels, describe: (index) => files[index]!, skipped };
}

/** Whether a folder, or an archive, holds samples with classes beside the images. */
async function isShard(folder: string): Promise<boolean> {
  const { images } = await imagesBelow(folder, { limit: 1 });
  if (images.length === 0) return false;
  return (await labelOf(images[0]!)) !== undefined;
}

export const webDataset: Form = async ({ folder, files, skipCorrupt }) => {
  const archives = files.filter((file) => /\.(tar|tar\.gz|tgz)$/i.test(file));
  const isHere = files.some((file) => /\.cls(\.txt)?$/i.test(file));
  if (!isHere && (archives.length === 0 || !(await isShard(join(folder, archives[0]!))))) return undefined;
  const names = await classNamesIn(folder, (await listFolder(folder)).files);
  const byPart = new Map<Split, string[]>();
  for (const shard of isHere ? [folder] : archives.map((name) => join(folder, name))) {
    const split = isHere ? "train" : (partNamed(basename(shard).replace(/\.tar.*$/i, "")) ?? "train");
    byPart.set(split, [...(byPart.get(split) ?? []), shard]);
  }
  const parts = [...byPart].map(([split, shards]): [Split, Part] => {
    const open = async () => {
      const read: Labelled[] = [];
      for (const shard of shards) read.push(await readShard(shard, skipCorrupt));
      return namedBy(joined(read), names);
    };
    return [split, { at: shards, open }];
  });
  return { format: "webdataset", parts: new Map(parts) };
};
