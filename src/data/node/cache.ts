import { homedir } from "node:os";
import { join } from "node:path";

/** Environment variables; not NodeJS.ProcessEnv, so that the declarations need no @types/node. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** The folder `convnets/NAME` in the user's cache folder: $XDG_CACHE_HOME if set, otherwise the system's. */
export function cacheFolder(name: string, { XDG_CACHE_HOME, LOCALAPPDATA }: Variables = process.env): string {
  const cache =
    XDG_CACHE_HOME ||
    (process.platform === "win32" && LOCALAPPDATA) ||
    join(homedir(), ...(process.platform === "darwin" ? ["Library", "Caches"] : [".cache"]));
  return join(cache, "convnets", name);
}
