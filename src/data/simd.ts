/** The kernels of kernels/image.ts, over a memory that holds one call's arguments and results. */
import { KERNELS } from "./kernels.ts";

interface Kernels {
  readonly memory: WebAssembly.Memory;
  rgbRows(at: number, stride: number, height: number, ...axis: AxisArguments): void;
  grayRows(at: number, stride: number, height: number, ...axis: AxisArguments): void;
  columns(at: number, length: number, ...axis: AxisArguments): void;
  lookUpRgb(
    at: number,
    stride: number,
    step: number,
    height: number,
    width: number,
    tableAt: number,
    outAt: number,
  ): void;
  lookUp(at: number, stride: number, step: number, height: number, width: number, tableAt: number, outAt: number): void;
}

type AxisArguments = [startsAt: number, countsAt: number, weightsAt: number, taps: number, size: number, outAt: number];

/** Bytes that a kernel may read or write beyond its data. */
const SLACK = 16;
const PAGE = 2 ** 16;

let instance: Kernels | undefined;

/** The kernels; compiled when they are first needed, in about a millisecond. */
export function kernels(): Kernels {
  if (!instance) {
    const bytes = Uint8Array.from(atob(KERNELS), (character) => character.charCodeAt(0));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {});
    instance = exports as unknown as Kernels;
  }
  return instance;
}

/** Addresses in the kernels' memory for blocks of these sizes in bytes. They are valid until the next call. */
export function reserve<Sizes extends readonly number[]>(...sizes: Sizes): { [K in keyof Sizes]: number } {
  let end = SLACK;
  const addresses = sizes.map((size) => {
    const at = end;
    end = (at + size + 2 * SLACK - 1) & -SLACK;
    return at;
  });
  const { memory } = kernels();
  const missing = end - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  return addresses as { [K in keyof Sizes]: number };
}

/** The kernels' memory as bytes. */
export const bytes = (): Uint8Array => new Uint8Array(kernels().memory.buffer);
