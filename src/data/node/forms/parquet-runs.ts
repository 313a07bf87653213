/**
 * Runs of levels and of places in a dictionary, checked before hyparquet follows them: a run may claim to be billions of values long, or
 * to have values of no bits, which never end.
 *
 * Source: apache/parquet-format, Encodings.md, "Run Length Encoding / Bit-Packing Hybrid (RLE = 3)".
 */
import type { FileMetaData } from "hyparquet";

/** Writers fill the last run up. */
const SLACK = 1024;

/** Throws an Error unless runs of values of `width` bits lie in `bytes` and give `values`; `fewer` if some of them may be null. */
export function checkRuns(bytes: Uint8Array, width: number, values: number, { fewer = false } = {}): void {
  if (width > 32) throw new Error(`a page claims numbers of ${width} bits`);
  for (let at = 0, seen = 0; seen < values; ) {
    if (fewer && at >= bytes.length) return;
    let header = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 28) throw new Error("a run of values is cut off");
      header += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    const isPacked = header % 2 === 1;
    const count = isPacked ? Math.floor(header / 2) * 8 : header / 2;
    if (count > values - seen + SLACK) throw new Error(`a run of ${count} values is too long`);
    at += isPacked ? (count * width) / 8 : Math.ceil(width / 8);
    seen += count;
  }
}

/** Most definition and repetition levels of the column at a path. */
export function levelsOf(
  { schema }: FileMetaData,
  path: readonly string[],
): { definition: number; repetition: number } {
  let [definition, repetition, at] = [0, 0, 1];
  const skip = (): void => {
    const { num_children: count = 0 } = schema[at++] ?? {};
    for (let i = 0; i < count; i++) skip();
  };
  let siblings = schema[0]?.num_children ?? 0;
  for (const name of path) {
    while (siblings-- > 0 && schema[at]?.name !== name) skip();
    const element = schema[at++];
    if (!element) break;
    if (element.repetition_type !== "REQUIRED") definition++;
    if (element.repetition_type === "REPEATED") repetition++;
    siblings = element.num_children ?? 0;
  }
  return { definition, repetition };
}

/** Bits of numbers up to this one. */
export const bitsOf = (largest: number): number => (largest === 0 ? 0 : 32 - Math.clz32(largest));
