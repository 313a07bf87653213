import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const TYPESCRIPT = /\.[mc]?tsx?$/;

/** What a JavaScript or TypeScript file exports. TypeScript needs Node 22.18 or later, or the package `tsx`. */
export async function importFile(file: string): Promise<Record<string, unknown>> {
  const url = pathToFileURL(resolve(file)).href;
  try {
    return await import(url);
  } catch (error) {
    const { code, message, stack = "" } = error as NodeJS.ErrnoException;
    if (code === "ERR_UNKNOWN_FILE_EXTENSION" && TYPESCRIPT.test(file)) return importTypeScript(file, url);
    // Node tells the place of a syntax error in the stack only
    const isModuleSyntax = /outside a module|Unexpected token 'export'|await is only valid/.test(`${message} ${stack}`);
    const remedy = isModuleSyntax
      ? `; the nearest package.json makes it CommonJS: set "type": "module" there, or rename the file to end in .mjs`
      : "";
    throw new Error(`${file}: ${message}${remedy}`, { cause: error });
  }
}

/** By way of `tsx`, if it is installed where the file is or where this library is. */
async function importTypeScript(file: string, url: string): Promise<Record<string, unknown>> {
  const tsx = await loadTsx(file);
  if (!tsx)
    throw new Error(
      `${file}: Node ${process.versions.node} does not read TypeScript; use Node 22.18 or later, or install tsx (npm install -D tsx)`,
    );
  const unregister = tsx.register();
  try {
    // under its first URL, Node remembers that it could not be imported
    return await import(`${url}?typescript`);
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  } finally {
    await unregister();
  }
}

interface Tsx {
  /** Lets Node import TypeScript; returns what ends that. */
  register(): () => Promise<void>;
}

async function loadTsx(file: string): Promise<Tsx | undefined> {
  const { createRequire } = await import("node:module");
  for (const from of [resolve(file), import.meta.url]) {
    try {
      const path = createRequire(from)
        .resolve("tsx/esm/api")
        .replace(/\.cjs$/, ".mjs");
      return (await import(pathToFileURL(path).href)) as Tsx;
    } catch {
      // not installed there
    }
  }
  return undefined;
}
