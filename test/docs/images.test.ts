/** The documents show what the library draws. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect, it } from "vitest";
import { IMAGES, imagePath } from "../../scripts/images.ts";

it.each(Object.entries(IMAGES))("docs/img/%s is up to date", (name, make) => {
  expect(make(), "run `npm run images`").toBe(readFileSync(imagePath(name), "utf8"));
});

it("docs/img has no other drawings", () => {
  const drawings = readdirSync(dirname(imagePath("x"))).filter((name) => name.endsWith(".svg"));
  expect(drawings.sort()).toEqual(Object.keys(IMAGES).sort());
});
