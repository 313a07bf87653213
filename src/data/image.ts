/**
 * Pixels of an image, as a view over bytes that may be stored in any order: channel c at row y and column x stands at
 *
 *     data[offset + c · strides[0] + y · strides[1] + x · strides[2]]
 *
 * Crops and flips are therefore views as well, and a stored [N, C, H, W] block is read in place.
 */
export interface Image {
  readonly data: Uint8Array;
  readonly channels: number;
  /** pixels */
  readonly height: number;
  /** pixels */
  readonly width: number;
  readonly offset: number;
  readonly strides: readonly [channel: number, row: number, column: number];
}

/** An image whose bytes are stored pixel by pixel: data [H, W, C], as decoders give them. */
export function interleaved(data: Uint8Array, height: number, width: number, channels = 3): Image {
  checkLength("interleaved", data, [height, width, channels]);
  return { data, channels, height, width, offset: 0, strides: [1, width * channels, channels] };
}

/** An image whose bytes are stored plane by plane: data [C, H, W], as CIFAR and tensors have them. */
export function planar(data: Uint8Array, channels: number, height: number, width: number): Image {
  checkLength("planar", data, [channels, height, width]);
  return { data, channels, height, width, offset: 0, strides: [height * width, width, 1] };
}

function checkLength(what: string, data: Uint8Array, shape: readonly number[]): void {
  const expected = shape.reduce((product, size) => product * size, 1);
  if (data.length === expected) return;
  throw new Error(`${what}: an image [${shape.join(", ")}] takes ${expected} bytes, but ${data.length} were given`);
}

/** Bytes of the image pixel by pixel, [H, W, C]; the stored bytes themselves where they are so already. */
export function toInterleaved(image: Image): Uint8Array {
  const { data, channels, height, width, offset, strides } = image;
  const length = height * width * channels;
  if (strides[0] === 1 && strides[1] === width * channels && strides[2] === channels) {
    return data.subarray(offset, offset + length);
  }
  const out = new Uint8Array(length);
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = offset + y * strides[1] + x * strides[2];
      for (let c = 0; c < channels; c++) out[o++] = data[pixel + c * strides[0]]!;
    }
  }
  return out;
}
