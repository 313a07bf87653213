/** Data sets of image files, on the disk or in memory. An image is decoded when it is asked for. */
import type { Dataset, DecodeOptions, EncodedImages } from "../dataset.ts";
import type { Corrupt } from "../errors.ts";
import { decodeFile, decodeImage } from "./decode.ts";

/** What data sets of image files have in common. */
export interface FileDatasetOptions {
  readonly name: string;
  readonly classes: readonly string[];
  readonly labels: Int32Array;
  readonly decode: DecodeOptions;
  /** 0 or 1 for each of several labels, [N, targetSize]. */
  readonly targets?: Float32Array | undefined;
  readonly targetSize?: number | undefined;
  readonly skipped?: readonly Corrupt[] | undefined;
}

/** A data set of image files and their labels. An image is decoded when it is asked for. */
export function fileDataset(options: FileDatasetOptions & { readonly files: readonly string[] }): Dataset {
  const { files, decode, ...labelled } = options;
  return {
    ...common(labelled, files.length, (index) => decodeFile(files[index]!, decode)),
    source: { kind: "files", files, ...numbers(labelled), decode },
    describe: (index) => files[index]!,
  };
}

/** A data set of image files whose bytes are in memory. */
export function encodedDataset(options: FileDatasetOptions & { readonly encoded: EncodedImages }): Dataset {
  const { encoded, decode, ...labelled } = options;
  const length = encoded.reduce((sum, { ends }) => sum + ends.length, 0);
  const describe = (index: number) => {
    const [{ name }, at] = locate(encoded, index);
    return `${name}, row ${at}`;
  };
  const image = (index: number) => {
    const [{ bytes, ends }, at] = locate(encoded, index);
    // a copy: sharp does not read shared memory
    return decodeImage(bytes.slice(at === 0 ? 0 : ends[at - 1]!, ends[at]!), decode, describe(index));
  };
  return {
    ...common(labelled, length, image),
    source: { kind: "encoded", encoded, ...numbers(labelled), decode },
    describe,
  };
}

function locate(encoded: EncodedImages, index: number) {
  for (const chunk of encoded) {
    if (index < chunk.ends.length) return [chunk, index] as const;
    index -= chunk.ends.length;
  }
  throw new RangeError(`there is no sample ${index}`);
}

const numbers = ({ labels, targets, targetSize }: Pick<FileDatasetOptions, "labels" | "targets" | "targetSize">) => ({
  labels,
  ...(targets && { targets, targetSize }),
});

function common(
  { name, classes, labels, targets, targetSize, skipped = [] }: Omit<FileDatasetOptions, "decode">,
  length: number,
  image: (index: number) => ReturnType<typeof decodeFile>,
): Dataset {
  return {
    name,
    classes,
    length,
    ...(targets ? { targetSize: targetSize! } : { labels }),
    skipped,
    async get(index) {
      if (!(index >= 0 && index < length)) throw new RangeError(`${name}: sample ${index} of ${length} was asked for`);
      if (!targets) return { image: await image(index), label: labels[index]! };
      return { image: await image(index), target: targets.subarray(index * targetSize!, (index + 1) * targetSize!) };
    },
  };
}
