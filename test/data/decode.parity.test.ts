/** Decoded files have the bytes that PIL's `convert("RGB")` gives, after `exif_transpose`. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { toInterleaved } from "../../src/data/image.ts";
import { decodeFile } from "../../src/data/node/index.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { sharedData } from "./support.ts";

vi.setConfig({ testTimeout: 60_000 }); // other processes may want the cores, too

const reason = pythonSkipReason("PIL", "numpy");
const photos = sharedData("photos");
const folder = mkdtempSync(join(tmpdir(), "convnets-decode-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Decodes with PIL into FILE.rgb, the size into what is returned. */
function decodeWithPil(files: readonly string[]): Record<string, [height: number, width: number]> {
  const script = `
import sys, json, numpy as np
from PIL import Image, ImageOps
sizes = {}
for i, f in enumerate(json.load(sys.stdin)):
    a = np.asarray(ImageOps.exif_transpose(Image.open(f)).convert("RGB"))
    a.tofile(f"{sys.argv[1]}/{i}.rgb"); sizes[f] = a.shape[:2]
print(json.dumps(sizes))`;
  return JSON.parse(python(script, { args: [folder], input: JSON.stringify(files) }));
}

async function expectSameBytes(files: readonly string[]): Promise<void> {
  const sizes = decodeWithPil(files);
  for (const [i, file] of files.entries()) {
    const image = await decodeFile(file);
    expect([image.height, image.width], file).toEqual(sizes[file]);
    const theirs = readFileSync(join(folder, `${i}.rgb`));
    expect(theirs.compare(toInterleaved(image)), `${file} has the bytes that PIL decodes`).toBe(0);
  }
}

describe("made by PIL", unless(reason), () => {
  beforeAll(() => {
    python(
      `
import sys, zlib, struct, numpy as np
from PIL import Image
out = sys.argv[1] + "/v_"
y, x = np.mgrid[:60, :80]
rgb = np.stack([x * 3, y * 4, (x + y) * 2 % 256], -1) + np.random.RandomState(0).randint(0, 12, (60, 80, 3))
im = Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8))
im.save(out + "baseline.jpg"); im.save(out + "progressive.jpg", progressive=True); im.save(out + "444.jpg", subsampling=0)
im.convert("L").save(out + "grey.jpg"); im.convert("CMYK").save(out + "cmyk.jpg", quality=95)
for o in range(1, 9):
    ex = Image.Exif(); ex[0x112] = o; im.save(out + f"exif{o}.jpg", exif=ex)
a = im.copy(); a.putalpha(Image.linear_gradient("L").resize(im.size))
a.save(out + "alpha.png"); a.save(out + "alpha.webp", lossless=True); im.save(out + "lossy.webp"); im.save(out + "rgb.tif")
im.quantize(32).save(out + "palette.png"); im.quantize(64).save(out + "palette.gif"); im.convert("1").save(out + "bits.png")
im.convert("LA").save(out + "grey_alpha.png"); im.convert("CMYK").save(out + "cmyk.tif")
def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
deep = np.random.RandomState(1).randint(0, 65536, (60, 80, 3)).astype(">u2")
open(out + "rgb16.png", "wb").write(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 80, 60, 16, 2, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(b"".join(b"\\0" + row.tobytes() for row in deep))) + chunk(b"IEND", b""))
Image.fromarray((np.asarray(im.convert("L")).astype(np.uint16) * 256 + 77)).save(out + "grey16.png")
im.convert("L").save(out + "grey.png")
for mode in ["RGB", "L", "P", "1"]: im.convert(mode).save(out + f"{mode}.bmp")
im.save(out + "rgb.ppm"); im.convert("L").save(out + "grey.pgm"); im.convert("1").save(out + "bits.pbm")
noise = np.random.RandomState(2).randint(0, 256, 4000).astype(np.uint8).tobytes()
def bmp(name, bits, data, width=13, height=5, compression=0, palette=b"", masks=b"", core=False):
    head = struct.pack("<IHHHH", 12, width, height, 1, bits) if core else struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, len(palette) // 4, 0)
    start = 14 + len(head) + len(masks) + len(palette)
    open(out + name, "wb").write(b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + head + masks + palette + data)
colors = noise[:1024]
bmp("core24.bmp", 24, noise, core=True); bmp("topdown.bmp", 24, noise, height=-5); bmp("x32.bmp", 32, noise)
bmp("core8.bmp", 8, noise, core=True, palette=noise[:768])
bmp("p4.bmp", 4, noise, palette=colors[:64]); bmp("p1.bmp", 1, noise, palette=colors[:8]); bmp("p8.bmp", 8, noise, palette=colors)
bmp("555.bmp", 16, noise); bmp("565.bmp", 16, noise, compression=3, masks=struct.pack("<III", 0xf800, 0x7e0, 0x1f))
bmp("fields.bmp", 32, noise, compression=3, masks=struct.pack("<III", 0xff000000, 0xff0000, 0xff00))
bmp("rle8.bmp", 8, bytes([4, 9, 0, 5, 1, 2, 3, 4, 5, 0, 4, 7, 0, 0, 13, 3, 0, 0, 2, 1, 11, 6, 0, 0, 13, 200, 0, 0, 13, 8, 0, 1]), compression=1, palette=colors)
bmp("rle4.bmp", 4, bytes([5, 0x12, 0, 8, 0x34, 0x56, 0x70, 0x89, 0, 0] + [13, 0xab, 0, 0] * 4 + [0, 1]), compression=2, palette=colors[:64])
open(out + "max99.ppm", "wb").write(b"P6 # made by hand\\n7 5\\n99\\n" + bytes(b % 100 for b in noise[:105]))
open(out + "max15.pgm", "wb").write(b"P5\\n7 5\\n15\\n" + bytes(b % 16 for b in noise[:35]))
open(out + "deep.ppm", "wb").write(b"P6\\n7 5\\n65535\\n" + noise[:210])
open(out + "text.ppm", "w").write("P3\\n# text\\n2 2\\n255\\n1 2 3  4 5 6\\n7 8 9 10 11 255\\n")
open(out + "text.pgm", "w").write("P2 3 1 7  0 3 7\\n"); open(out + "text.pbm", "w").write("P1\\n3 2\\n101\\n0 1 0\\n")`,
      { args: [folder] },
    );
  });

  test("every format, colour model and orientation", async () => {
    const names = readdirSync(folder).filter((name) => name.startsWith("v_") && name !== "v_grey16.png");
    expect(names.length).toBeGreaterThan(45);
    await expectSameBytes(names.map((name) => join(folder, name)));
  });

  test("16-bit greyscale is scaled, where PIL would cut it at 255", async () => {
    const deep = await decodeFile(join(folder, "v_grey16.png"));
    const plain = await decodeFile(join(folder, "v_grey.png"));
    expect(Buffer.from(toInterleaved(deep)).equals(toInterleaved(plain))).toBe(true);
  });

  test("one channel is PIL's luma", async () => {
    const script = `
import sys
from PIL import Image
print(sum(Image.open(sys.argv[1]).convert("L").getdata()))`;
    const file = join(folder, "v_baseline.jpg");
    const image = await decodeFile(file, { channels: 1 });
    expect(image.channels).toBe(1);
    const sum = toInterleaved(image).reduce((total, byte) => total + byte, 0);
    expect(sum).toBe(Number(python(script, { args: [file] })));
  });
});

test("photographs", unless(reason ?? photos.reason), async () => {
  await expectSameBytes(readdirSync(photos.folder).map((name) => join(photos.folder, name)));
});

const found = sharedData("found/pictures");

describe("images that others published", unless(reason ?? found.reason), () => {
  const at = (name: string) => join(found.folder, `python-pillow_Pillow_${name}`);
  /** 16-bit gray is scaled, not cut at 255; AVIF differs by a rounding in the decoders; one is refused by PIL as well. */
  const others = ["hopper_16bit.pgm", "avif-hopper.avif", "decompression_bomb.gif"];

  test("have PIL's bytes", async () => {
    const names = readdirSync(found.folder).map((name) => name.replace("python-pillow_Pillow_", ""));
    await expectSameBytes(names.filter((name) => !others.includes(name)).map(at));
  });

  test("16-bit gray keeps the upper 8 bits", async () => {
    const deep = await decodeFile(at("hopper_16bit.pgm"));
    const plain = await decodeFile(at("hopper.ppm"), { channels: 1 });
    const difference = toInterleaved(plain).reduce((sum, byte, i) => sum + Math.abs(byte - deep.data[i * 3]!), 0);
    expect(difference / (128 * 128)).toBeLessThan(1);
  });

  test("AVIF decodes to what another decoder gives, up to rounding", async () => {
    const [avif, ppm] = await Promise.all([decodeFile(at("avif-hopper.avif")), decodeFile(at("hopper.ppm"))]);
    const difference = avif.data.reduce((sum, byte, i) => sum + Math.abs(byte - ppm.data[i]!), 0);
    expect(difference / avif.data.length).toBeLessThan(5);
  });

  test("a GIF of four gigapixels in 44 bytes is refused", async () => {
    await expect(decodeFile(at("decompression_bomb.gif"))).rejects.toThrow(
      "cannot decode: Input buffer has corrupt header",
    );
  });
});
