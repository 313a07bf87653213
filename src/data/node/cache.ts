import { homedir } from "node:os";
import { join } from "node:path";

/** A folder of ours in the user's cache folder, which is $XDG_CACHE_HOME where that is set, else what the system has. */
export function cacheFolder(name: string, { XDG_CACHE_HOME, LOCALAPPDATA } = process.env): string {
  const cache =
    XDG_CACHE_HOME ||
    (process.platform === "win32" && LOCALAPPDATA) ||
    join(homedir(), ...(process.platform === "darwin" ? ["Library", "Caches"] : [".cache"]));
  return join(cache, "convnets", name);
}
