/** The picture that is looked at: as it came, and as the network takes it. */
import { signal } from "@preact/signals";
import type { Pixels } from "./protocol.ts";
import { SAMPLES, type SampleName } from "./samples.ts";

/** A picture of any size. */
export interface Picture {
  /** Of a file; samples have names of their own. */
  readonly name: string;
  readonly sample?: SampleName;
  readonly image: CanvasImageSource & { readonly width: number; readonly height: number };
}

/** Side of sample pictures, in pixels. */
const SIDE = 448;

/** Draws a sample. */
export function sample(name: SampleName): Picture {
  const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  SAMPLES[name](canvas.getContext("2d")!, SIDE);
  return { name, sample: name, image: canvas };
}

export const picture = signal<Picture>(sample("cat"));

/** Shows a picture from a file, the clipboard or a drop. Throws if the browser cannot read it. */
export async function openPicture(file: Blob, name: string): Promise<void> {
  picture.value = { name, image: await createImageBitmap(file) };
}

/** Lets the reader choose a picture. */
export function choosePicture(failed: (name: string) => void): void {
  const input = Object.assign(document.createElement("input"), { type: "file", accept: "image/*" });
  input.addEventListener("change", () => {
    const [file] = input.files ?? [];
    if (file) openPicture(file, file.name).catch(() => failed(file.name));
  });
  input.click();
}

/** The middle of a picture at the size that a network takes. */
export function toPixels({ image }: Picture, width: number, height: number): Pixels {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  const scale = Math.min(image.width / width, image.height / height);
  const [w, h] = [width * scale, height * scale];
  context.fillStyle = "#fff"; // what is transparent is paper
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, (image.width - w) / 2, (image.height - h) / 2, w, h, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, data: data as Uint8ClampedArray<ArrayBuffer> };
}
