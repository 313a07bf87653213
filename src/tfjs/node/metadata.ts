import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";

/** What Teachable Machine writes beside its models of images. */
const teachable = v.object({
  packageName: v.pipe(v.string(), v.startsWith("@teachablemachine/image")),
  labels: v.array(v.string()),
  imageSize: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4096)), 224),
});

/** The classes and the preprocessing that a metadata.json in this folder records, as our weight files do. */
export async function metadataOf(folder: string): Promise<Readonly<Record<string, string>>> {
  const file = join(folder, "metadata.json");
  if (!existsSync(file)) return {};
  try {
    const result = v.safeParse(teachable, JSON.parse(await readFile(file, "utf8")));
    if (!result.success) return {};
    const { labels, imageSize: size } = result.output;
    // the middle of the image, resized, with pixels from −1 to 1
    const preprocessing = [
      { resize: { size } },
      { centerCrop: { size } },
      { normalize: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } },
    ];
    return { classes: JSON.stringify(labels), preprocessing: JSON.stringify(preprocessing) };
  } catch {
    return {};
  }
}
