import type { Row } from "./facts.ts";

/** Settings of a layer by name, such as `layerSettings` gives them. */
type Settings = Readonly<Record<string, unknown>>;

/** A network to compare: the rows of its summary, and what its layers are set to. */
export interface Compared {
  readonly rows: readonly Row[];
  /** Settings of layers by path. Without them, layers are compared by type, kernel and parameters. */
  readonly settings?: Readonly<Record<string, Settings>>;
}

/** Something in which two layers differ. */
export interface Difference {
  /** Name of the setting, or "type", "kernelSize", "params". */
  readonly name: string;
  readonly a: unknown;
  readonly b: unknown;
}

/** A layer or block of both networks, or of one of them. */
export interface RowPair {
  readonly a?: Row;
  readonly b?: Row;
  /** `"changed"`: it differs in a setting; a block, if anything in it differs. */
  readonly status: "same" | "changed" | "onlyA" | "onlyB";
  readonly differences: readonly Difference[];
}

/** A row with the rows below it. */
interface Part {
  readonly row: Row;
  readonly parts: Part[];
}

/**
 * Lines two networks up, layer by layer: what both have, what only one has, and in which settings layers differ. Parts are
 * matched level by level, in their order, by type, name and size; in blocks of two forms, each `Sequential` is looked through.
 *
 *     compareSummaries(summarize(a, { input }), summarize(b, { input })) → pairs, blocks before their parts
 */
export function compareSummaries(a: Compared, b: Compared): RowPair[] {
  const [first, second] = [treeOf(a.rows), treeOf(b.rows)];
  return first && second ? pairsOf(first, second, a, b) : [];
}

function treeOf(rows: readonly Row[]): Part | undefined {
  const around: Part[] = [];
  let root: Part | undefined;
  for (const row of rows) {
    const part: Part = { row, parts: [] };
    around.length = row.depth;
    around.at(-1)?.parts.push(part);
    around.push(part);
    root ??= part;
  }
  return root;
}

function pairsOf(a: Part, b: Part, networkA: Compared, networkB: Compared): RowPair[] {
  const partsOf = hasSameForm(a, b) ? ({ parts }: Part) => parts : looseParts;
  const below = align(partsOf(a), partsOf(b)).flatMap(([x, y]) => {
    if (x && y) return pairsOf(x, y, networkA, networkB);
    return x ? alone(x, "onlyA") : alone(y!, "onlyB");
  });
  const differences = differencesOf(a.row, b.row, networkA, networkB);
  const isSame = differences.length === 0 && below.every(({ status }) => status === "same");
  return [{ a: a.row, b: b.row, status: isSame ? "same" : "changed", differences }, ...below];
}

/** Whether two blocks are built alike: of one type, or with parts of the same names. */
function hasSameForm(a: Part, b: Part): boolean {
  const names = ({ parts }: Part) => parts.map(({ row }) => row.varName).join();
  return a.row.type === b.row.type || names(a) === names(b);
}

/** The parts of a block, lists of layers opened: two blocks of different types may hold the same layers at different depths. */
function looseParts({ parts }: Part): Part[] {
  return parts.flatMap((part) => (part.row.type === "Sequential" ? looseParts(part) : [part]));
}

function alone(part: Part, status: "onlyA" | "onlyB"): RowPair[] {
  const own = status === "onlyA" ? { a: part.row } : { b: part.row };
  return [{ ...own, status, differences: [] }, ...part.parts.flatMap((one) => alone(one, status))];
}

/** In what two rows differ; of blocks only the type, since the rest lies in their parts. */
function differencesOf(a: Row, b: Row, networkA: Compared, networkB: Compared): Difference[] {
  const facts = (row: Row, { settings }: Compared): Settings => {
    const own = settings?.[row.path] ?? { kernelSize: row.kernelSize, params: row.params };
    return { type: row.type, ...(row.leaf && own) };
  };
  const [of, other] = [facts(a, networkA), facts(b, networkB)];
  // the roots of two networks are of two types, which is no difference between their layers
  const names = [...new Set([...Object.keys(of), ...Object.keys(other)])].filter(
    (name) => a.depth > 0 || name !== "type",
  );
  return names.flatMap((name) =>
    JSON.stringify(of[name]) === JSON.stringify(other[name]) ? [] : [{ name, a: of[name], b: other[name] }],
  );
}

/** How well two parts go together; 0 if they do not. */
function likeness({ row: a, parts: inA }: Part, { row: b, parts: inB }: Part): number {
  const sameName = a.varName === b.varName ? 2 : 0;
  if (a.type !== b.type) {
    if (inA.length > 0 && inB.length > 0) return 1 + sameName;
    return sameName > 0 && !/^\d+$/.test(a.varName) ? 1 : 0;
  }
  const equal = (of: (row: Row) => unknown) => (JSON.stringify(of(a)) === JSON.stringify(of(b)) ? 1 : 0);
  const sizes = equal(({ params }) => params) + equal(({ outputSize }) => outputSize);
  return 4 + sameName + sizes + equal(({ kernelSize }) => kernelSize);
}

type Aligned = readonly [a: Part | undefined, b: Part | undefined];

/** Pairs in the order of both lists, chosen so that they are as alike as possible together (Needleman and Wunsch, 1970). */
function align(a: readonly Part[], b: readonly Part[]): Aligned[] {
  const best = Array.from({ length: a.length + 1 }, () => new Float64Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const like = likeness(a[i]!, b[j]!);
      const both = like > 0 ? like + best[i + 1]![j + 1]! : 0;
      best[i]![j] = Math.max(both, best[i + 1]![j]!, best[i]![j + 1]!);
    }
  }
  const pairs: Aligned[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [x, y] = [a[i], b[j]];
    const like = x && y ? likeness(x, y) : 0;
    if (like > 0 && best[i]![j] === like + best[i + 1]![j + 1]!) {
      pairs.push([x, y]);
      i++;
      j++;
    } else if (x && (!y || best[i]![j] === best[i + 1]![j])) {
      pairs.push([x, undefined]);
      i++;
    } else {
      pairs.push([undefined, y]);
      j++;
    }
  }
  return pairs;
}
