/** The public API as text, read from the declarations that `npm run build` writes. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** A name that an entry exports. */
export interface Exported {
  readonly name: string;
  /** The declaration without comments; for a namespace, `export * as F`. */
  readonly text: string;
  /** The comment above the declaration; empty if there is none. */
  readonly doc: string;
}

/** Every name that a declaration file exports, with its declaration, sorted by name. */
export function surfaceOf(file: string): Exported[] {
  return [...exportsOf(file)]
    .map(([name, found]) => ({ name, ...found }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

type Found = Omit<Exported, "name">;

function exportsOf(file: string): Map<string, Found> {
  const source = readFileSync(file, "utf8");
  const found = new Map<string, Found>();
  const target = (from: string) => {
    const path = resolve(dirname(file), from.replace(/\.[jt]s$/, ".d.ts"));
    return existsSync(path) ? path : undefined;
  };
  for (const [, names = "", from = ""] of source.matchAll(/^export (?:type )?\{([^}]*)\} from "([^"]+)";/gm)) {
    const path = target(from);
    const below = path ? exportsOf(path) : new Map<string, Found>();
    for (const item of names.split(",")) {
      const [name = "", alias = name] = item
        .trim()
        .replace(/^type /, "")
        .split(" as ");
      if (name !== "") found.set(alias, below.get(name) ?? { text: `export from "${from}"`, doc: "" });
    }
  }
  for (const [, from = ""] of source.matchAll(/^export (?:type )?\* from "([^"]+)";/gm)) {
    const path = target(from);
    if (path) for (const [name, declaration] of exportsOf(path)) if (!found.has(name)) found.set(name, declaration);
  }
  for (const [, name = "", from = ""] of source.matchAll(/^export \* as (\w+) from "([^"]+)";/gm)) {
    const path = target(from)!;
    const inside = surfaceOf(path).map((one) => one.text.replaceAll(/^/gm, "  "));
    const [doc = ""] = /^\/\*\*[\s\S]*?\*\//.exec(readFileSync(path, "utf8")) ?? [];
    found.set(name, { text: `namespace ${name} {\n${inside.join("\n")}\n}`, doc });
  }
  for (const { name, text, doc } of declarations(source)) {
    const earlier = found.get(name);
    // overloads, and a value and a type of one name
    found.set(name, { text: earlier ? `${earlier.text}\n${text}` : text, doc: earlier?.doc || doc });
  }
  return found;
}

/** Top-level declarations: each starts at the margin, and lasts until the next line that does. */
function* declarations(source: string): Generator<Exported> {
  const pattern =
    /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?^(export (?:declare )?(?:abstract )?(?:class|function\*?|interface|type|const|let) (\w+)[\s\S]*?)(?=^(?:\/\*\*|export|declare|import|interface|type|\/\/)|$(?![\s\S]))/gm;
  for (const [, doc = "", text = "", name = ""] of source.matchAll(pattern))
    yield { name, doc, text: withoutComments(text) };
}

const withoutComments = (text: string): string =>
  text
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*\/\/.*$/gm, "")
    .replace(/^export (declare )?/, "")
    .replace(/^\s*(private|#private)\b.*$/gm, "")
    .replace(/^\s*\n/gm, "")
    .trimEnd();
