/** The built page, for the tests of the studio. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const INDEX = join(ROOT, "dist/studio/web/index.html");
/** The last file of the build. */
const PAGE = join(ROOT, "dist/draw/page/page.js");

/** When a file below these folders was last changed. */
function newest(...folders: readonly string[]): number {
  const times = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map(
      (name) => statSync(join(ROOT, folder, name)).mtimeMs,
    ),
  );
  return Math.max(...times);
}

/** Builds the page if it is missing or older than its sources. */
export async function buildPage(): Promise<void> {
  if (existsSync(INDEX) && existsSync(PAGE) && statSync(PAGE).mtimeMs > newest("web", "src")) return;
  // as npm run build does it: in a test's environment Vite would leave out what is for production only, such as the service worker
  const { NODE_ENV } = process.env;
  process.env.NODE_ENV = "production";
  try {
    for (const root of [join(ROOT, "web"), join(ROOT, "web/page")])
      await build({ root, configFile: join(root, "vite.config.ts"), logLevel: "error" });
  } finally {
    process.env.NODE_ENV = NODE_ENV;
  }
}
