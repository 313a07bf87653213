/** Collects the licenses of the packages that the studio's files contain. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const LICENSE_FILE = /^(licen[cs]e|ofl|copying)(\.|$)/i;

/** Folder of the package that a file belongs to; undefined for the project's own files. */
function packageOf(file: string): string | undefined {
  const at = file.lastIndexOf("/node_modules/");
  if (at < 0) return undefined;
  const rest = file.slice(at + "/node_modules/".length).split("/");
  const name = rest.slice(0, rest[0]!.startsWith("@") ? 2 : 1);
  return join(file.slice(0, at), "node_modules", ...name);
}

/** Writes `licenses.txt` next to the studio's files: name, version, license and its text, for each package in them. */
export function licenses(): Plugin {
  const packages = new Set<string>();
  return {
    name: "licenses",
    apply: "build",
    // the modules of workers come by too
    moduleParsed({ id }) {
      const found = packageOf(id.split("?")[0]!.replaceAll("\\", "/"));
      if (found) packages.add(found);
    },
    load(id) {
      const found = packageOf(id.split("?")[0]!.replaceAll("\\", "/"));
      if (found) packages.add(found);
    },
    generateBundle() {
      // packages of one project have one text
      const byText = new Map<string, string[]>();
      for (const folder of [...packages].sort()) {
        const manifest = join(folder, "package.json");
        if (!existsSync(manifest)) continue;
        const { name, version, license, author } = JSON.parse(readFileSync(manifest, "utf8"));
        const file = readdirSync(folder).find((one) => LICENSE_FILE.test(one));
        const by = typeof author === "string" ? author : author?.name;
        const text = file ? readFileSync(join(folder, file), "utf8").trim() : `${license}${by ? `, by ${by}` : ""}`;
        byText.set(text, [...(byText.get(text) ?? []), `${name} ${version} (${license})`]);
      }
      const texts = [...byText].map(([text, names]) => `${names.join("\n")}\n\n${text}`);
      this.emitFile({
        type: "asset",
        fileName: "licenses.txt",
        source: `${texts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`,
      });
    },
  };
}
