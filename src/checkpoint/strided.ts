import { numel, type TypedArray } from "../graph/index.ts";

/** A tensor as PyTorch has it: element (i, j, …) is number offset + i·stride[0] + j·stride[1] + … */
export interface Strided {
  readonly offset: number;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
}

/** Whether the elements stand in row-major order without gaps. Strides of axes with one element do not matter. */
export function isContiguous({ shape, stride }: Strided): boolean {
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 0) return true;
    if (shape[axis] !== 1 && stride[axis] !== step) return false;
    step *= shape[axis]!;
  }
  return true;
}

/** The elements in row-major order: a view where they stand so already, else a copy, bit for bit. */
export function contiguous(data: TypedArray, view: Strided): TypedArray {
  const count = numel(view.shape);
  if (isContiguous(view)) return data.subarray(view.offset, view.offset + count);
  const copy = new (data.constructor as new (length: number) => TypedArray)(count);
  // Through whole numbers, since engines may change the bits of a NaN on the way through a variable.
  const lanes = Math.max(1, data.BYTES_PER_ELEMENT / 4);
  gather(words(data), words(copy), lanes, view);
  return copy;
}

type Words = Uint8Array | Uint16Array | Uint32Array;

function words({ buffer, byteOffset, byteLength, BYTES_PER_ELEMENT }: TypedArray): Words {
  if (BYTES_PER_ELEMENT === 1) return new Uint8Array(buffer, byteOffset, byteLength);
  if (BYTES_PER_ELEMENT === 2) return new Uint16Array(buffer, byteOffset, byteLength / 2);
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}

/** Copies elements of `lanes` words each, the last axis innermost. */
function gather(source: Words, target: Words, lanes: number, { offset, shape, stride }: Strided): void {
  const last = shape.length - 1;
  const [columns, step] = [shape[last]!, stride[last]! * lanes];
  const index = new Array<number>(last).fill(0);
  let row = offset * lanes;
  for (let to = 0; to < target.length; ) {
    for (let column = 0, from = row; column < columns; column++, from += step) {
      for (let lane = 0; lane < lanes; lane++) target[to++] = source[from + lane]!;
    }
    for (let axis = last - 1; axis >= 0; axis--) {
      row += stride[axis]! * lanes;
      if (++index[axis]! < shape[axis]!) break;
      row -= stride[axis]! * lanes * shape[axis]!;
      index[axis] = 0;
    }
  }
}
