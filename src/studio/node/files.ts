import { type Dirent, realpathSync, statSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";

/** A file that the studio may open. */
export interface OfferedFile {
  /** Path from the folder, with forward slashes. */
  readonly name: string;
  readonly bytes: number;
}

/** Whether a name is that of a network or of weights. */
export const isNetworkFile = (name: string): boolean => /\.(onnx|pth|pt|safetensors)$/i.test(name);

/** Folders below the one that is served that are looked into, and files or runs that are listed at most. */
export const DEPTH = 3;
export const MOST = 500;

/** Folders in which nobody keeps networks. */
const SKIPPED = /^(\..*|node_modules)$/;

/** What is in a folder, by name, without what is hidden; nothing if it cannot be read. */
export async function entriesOf(path: string): Promise<Dirent[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch((): Dirent[] => []);
  return entries.filter(({ name }) => !SKIPPED.test(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A path from the folder that is served, with forward slashes; the folder itself is ".". */
export const nameIn = (folder: string, path: string): string => relative(folder, path).split(sep).join("/") || ".";

/** The networks and weights in a folder and below it, by name. */
export async function listFiles(folder: string): Promise<OfferedFile[]> {
  const found: OfferedFile[] = [];
  const look = async (path: string, depth: number): Promise<void> => {
    for (const entry of await entriesOf(path)) {
      if (found.length >= MOST) return;
      const whole = join(path, entry.name);
      if (entry.isDirectory() && depth < DEPTH) await look(whole, depth + 1);
      else if (entry.isFile() && isNetworkFile(entry.name))
        found.push({ name: nameIn(folder, whole), bytes: (await stat(whole)).size });
    }
  };
  await look(folder, 0);
  return found;
}

/**
 * The real path of something in a folder; undefined for what does not exist or lies outside it, also where a link leads out of it.
 */
export function within(folder: string, name: string): string | undefined {
  if (name.includes("\0")) return undefined;
  try {
    const root = realpathSync(folder);
    const path = realpathSync(resolve(root, name));
    const way = relative(root, path);
    return way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way) ? undefined : path;
  } catch {
    return undefined;
  }
}

/** The real path of a file in a folder, as `within`; undefined for anything that is not a file. */
export function fileWithin(folder: string, name: string): string | undefined {
  const path = within(folder, name);
  return path !== undefined && statSync(path).isFile() ? path : undefined;
}

/** The real path of a network in a folder; undefined for anything that is not one. */
export function networkWithin(folder: string, name: string): string | undefined {
  const path = isNetworkFile(name) ? fileWithin(folder, name) : undefined;
  return path !== undefined && isNetworkFile(path) ? path : undefined;
}
