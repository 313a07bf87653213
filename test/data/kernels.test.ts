import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { compileKernels } from "../../scripts/kernels.ts";
import { jpegHeader } from "../../src/data/node/jpeg.ts";

it("src/data/kernels.ts is what kernels/image.ts compiles to", async () => {
  const file = new URL("../../src/data/kernels.ts", import.meta.url);
  expect(readFileSync(file, "utf8"), "run `npm run kernels`").toBe(await compileKernels());
});

it("finds the frame of a JPEG file behind other segments and fill bytes", () => {
  const frame = [0xff, 0xc2, 0, 17, 8, 0x01, 0x2c, 0x02, 0x58, 3];
  const comment = [0xff, 0xfe, 0, 4, 0xff, 0xc0];
  const header = { height: 300, width: 600, channels: 3 };
  expect(jpegHeader(Uint8Array.of(0xff, 0xd8, ...frame, 0))).toEqual(header);
  expect(jpegHeader(Uint8Array.of(0xff, 0xd8, ...comment, 0xff, 0xff, ...frame, 0))).toEqual(header);
  expect(jpegHeader(Uint8Array.of(0xff, 0xd8, ...comment))).toBeUndefined();
  expect(jpegHeader(Uint8Array.of(0x89, 0x50, 0x4e, 0x47))).toBeUndefined();
});
