/** What inspect says of things that are no weights. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeFile, describeFolder, unreadable } from "../../src/cli/inspect-other.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-inspect-"));
const path = (name: string) => join(folder, name);
let png: Buffer;
beforeAll(async () => {
  png = await sharp({ create: { width: 9, height: 7, channels: 3, background: "red" } })
    .png()
    .toBuffer();
});
afterAll(() => rmSync(folder, { recursive: true }));

it("files that went wrong on their way are named, with the remedy", async () => {
  writeFileSync(path("w.pth"), "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 44730000\n");
  expect(await describeFile(path("w.pth"))).toEqual({
    what: expect.stringMatching(/^a Git LFS pointer of \d+ bytes to a file of 44.7 MB$/),
    next: `git lfs pull --include ${path("w.pth")}`,
  });
  writeFileSync(path("page.pth"), "<!DOCTYPE html><html><title>Sign in</title>");
  expect((await describeFile(path("page.pth")))?.what).toBe(
    'a web page, "Sign in": the download went wrong; fetch the file from its direct link',
  );
  writeFileSync(path("half.pth"), "PK\x03\x04half");
  expect(await describeFile(path("half.pth"))).toBeUndefined();
  const error = unreadable(path("half.pth"), new Error("zip: there is no directory at the end; the file is cut short"));
  expect(error.message).toMatch(/its end is probably missing, so download it again/);
  const told = unreadable(path("half.pth"), new Error("the file is cut short: download it again"));
  expect(told.message).toBe("the file is cut short: download it again. The file has 0.000 MB");
});

it("images that cannot be read are named, with the reason and what to do", async () => {
  writeFileSync(path("a.heic"), "\0\0\0\x18ftypheic\0\0\0\0mif1heic");
  expect(await describeFile(path("a.heic"))).toEqual({
    what: "a HEIC image, which is not read; save it as JPEG or PNG",
  });
  writeFileSync(path("empty.jpg"), "");
  await expect(describeFile(path("empty.jpg"))).rejects.toThrow(
    `${path("empty.jpg")}: cannot decode: the file is empty; replace it, or remove it`,
  );
});

it("images and data sets are told, with the next command", async () => {
  writeFileSync(path("cat.png"), png);
  expect(await describeFile(path("cat.png"))).toEqual({
    what: "an image of 9×7 pixels",
    next: `convnets classify ${path("cat.png")}`,
  });
  for (const name of ["cat", "dog"]) {
    mkdirSync(path(`photos/${name}`), { recursive: true });
    for (const i of [0, 1]) writeFileSync(path(`photos/${name}/${i}.png`), png);
  }
  const { what, next } = await describeFolder(path("photos"));
  expect(what).toMatch(/^a data set \(.*\), .*2 classes/);
  expect(next).toBe(`convnets train --data ${path("photos")}`);
  mkdirSync(path("empty"));
  await expect(describeFolder(path("empty"))).rejects.toThrow(/empty is neither a run nor a data set: it holds/);
});
