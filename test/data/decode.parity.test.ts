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
im.convert("L").save(out + "grey.png")`,
      { args: [folder] },
    );
  });

  test("every format, colour model and orientation", async () => {
    const names = readdirSync(folder).filter((name) => name.startsWith("v_") && name !== "v_grey16.png");
    expect(names.length).toBeGreaterThan(20);
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
