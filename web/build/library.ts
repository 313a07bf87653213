import { fileURLToPath } from "node:url";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** The library's entries as its sources, and what the map has instead of packages. */
export const library = [
  { find: /^convnets$/, replacement: path("../../src/index.ts") },
  { find: /^convnets\/web$/, replacement: path("../../src/web.ts") },
  { find: /^convnets\/(.*)$/, replacement: `${path("../../src")}/$1/index.ts` },
  { find: /^d3-(transition|interpolate)$/, replacement: path("../map/movement.ts") },
];
