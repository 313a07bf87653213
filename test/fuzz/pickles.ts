/** Pickles of CIFAR's batches, opcode by opcode, as Python 2 and Python 3 write them. */

const ascii = (text: string) => [...text].map((character) => character.charCodeAt(0));
const uint32 = (value: number) => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];

/** A short string: bytes of Python 3, and the one type of Python 2. */
const short = (protocol: number, text: string) => [protocol === 2 ? 0x55 : 0x43, text.length, ...ascii(text)];
const global = (module: string, name: string) => ascii(`c${module}\n${name}\n`);
const int = (value: number) => [0x4a, ...uint32(value)];
const dtype = [...global("numpy", "dtype"), 0x58, ...uint32(2), ...ascii("u1"), ...int(0), ...int(1), 0x87, 0x52];
const order = [...ascii("(K\x03"), 0x58, ...uint32(1), ...ascii("|NNN"), ...int(-1), ...int(-1), ...ascii("K\x00tb")];

/** An array [rows, columns] of bytes. */
function array(protocol: number, rows: number, columns: number, bytes: Uint8Array): number[] {
  const made = [
    ...global("numpy.core.multiarray", "_reconstruct"),
    ...global("numpy", "ndarray"),
    ...int(0),
    0x85,
    ...short(protocol, "b"),
    0x87,
    0x52,
  ]; // prettier-ignore
  const contents = [protocol === 2 ? 0x54 : 0x42, ...uint32(bytes.length), ...bytes];
  return [
    ...made,
    ...ascii("("),
    ...int(1),
    ...int(rows),
    ...int(columns),
    0x86,
    ...dtype,
    ...order,
    0x89,
    ...contents,
    ...ascii("tb"),
  ]; // prettier-ignore
}

const list = (items: readonly number[][]) => [0x5d, ...ascii("("), ...items.flat(), ...ascii("e")];

/** A dict of these entries, each of which is opcodes. */
const dict = (protocol: number, entries: Readonly<Record<string, readonly number[]>>): Uint8Array =>
  Uint8Array.from([
    0x80,
    protocol,
    ...ascii("}("),
    ...Object.entries(entries).flatMap(([key, value]) => [...short(protocol, key), ...value]),
    ...ascii("u."),
  ]); // prettier-ignore

/** A batch of images, whose pixels are `label · 10 + channel`. */
export function pickledBatch(
  protocol: 2 | 3,
  labels: readonly number[] = [1],
  { pixels = 4, key = "labels" }: { pixels?: number; key?: string } = {},
): Uint8Array {
  const data = Uint8Array.from({ length: labels.length * 3 * pixels }, (_, i) => {
    const image = Math.floor(i / (3 * pixels));
    return labels[image]! * 10 + (Math.floor(i / pixels) % 3);
  });
  return dict(protocol, {
    data: array(protocol, labels.length, 3 * pixels, data),
    [key]: list(labels.map(int)),
    filenames: list(labels.map((_, i) => short(protocol, `${i}.png`))),
  });
}

/** The names of classes, as CIFAR's "meta" has them. */
export const pickledNames = (protocol: 2 | 3, key: string, names: readonly string[]): Uint8Array =>
  dict(protocol, { [key]: list(names.map((name) => short(protocol, name))) });
