import { type Dirent, realpathSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";

/** A file that the studio may open. */
export interface OfferedFile {
  /** Path from the folder, with forward slashes. */
  readonly name: string;
  readonly bytes: number;
}

/** Whether a name is that of a network or of weights. */
export const isNetworkFile = (name: string): boolean => /\.(onnx|pth|pt|safetensors)$/i.test(name);

/** Folders below the one that is served, and files in all of them, that are listed at most. */
const DEPTH = 3;
const MOST = 500;

/** Folders in which nobody keeps networks. */
const SKIPPED = /^(\..*|node_modules)$/;

/** The networks and weights in a folder and below it, by name. */
export async function listFiles(folder: string): Promise<OfferedFile[]> {
  const found: OfferedFile[] = [];
  const look = async (path: string, depth: number): Promise<void> => {
    const entries = await readdir(path, { withFileTypes: true }).catch((): Dirent[] => []);
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (found.length >= MOST || SKIPPED.test(entry.name)) continue;
      const whole = join(path, entry.name);
      if (entry.isDirectory() && depth < DEPTH) await look(whole, depth + 1);
      else if (entry.isFile() && isNetworkFile(entry.name))
        found.push({ name: relative(folder, whole).split(sep).join("/"), bytes: (await stat(whole)).size });
    }
  };
  await look(folder, 0);
  return found;
}

/**
 * The absolute path of a network in a folder; undefined for anything that is not one, or lies outside it, also where a link leads
 * out of it.
 */
export function fileWithin(folder: string, name: string): string | undefined {
  if (!isNetworkFile(name) || name.includes("\0")) return undefined;
  try {
    const root = realpathSync(folder);
    const path = realpathSync(resolve(root, name));
    return path.startsWith(root + sep) ? path : undefined;
  } catch {
    return undefined;
  }
}
