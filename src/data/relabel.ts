import type { Dataset, DatasetSource } from "./dataset.ts";

/**
 * The set with its labels, or the numbers of its targets, as positions in another list of classes, such as that of a network that knows
 * more of them. Undefined if the list lacks one of the set's classes, and for targets if it has more. Names are compared without case and with "_" as a space; if a list has a name twice, as
 * ImageNet has crane, the first is taken for the first.
 */
export function relabel(dataset: Dataset, classes: readonly string[]): Dataset | undefined {
  const known = classes.map(plain);
  const met = new Map<string, number>();
  const places = dataset.classes.map((name) => {
    const place = known.indexOf(plain(name), (met.get(plain(name)) ?? -1) + 1);
    met.set(plain(name), place);
    return place;
  });
  if (places.includes(-1)) return undefined;
  // what an image has of further labels is unknown
  if (dataset.targetSize !== undefined)
    return classes.length === places.length ? reordered(dataset, classes, places) : undefined;
  const moved = (labels: ArrayLike<number>): Int32Array => Int32Array.from(labels, (label) => places[label]!);
  const { name, length, labels, describe, skipped, source } = dataset;
  return {
    name,
    classes,
    length,
    async get(index) {
      const { image, label } = await dataset.get(index);
      return { image, ...(label !== undefined && { label: places[label]! }) };
    },
    ...(labels && { labels: moved(labels) }),
    ...(describe && { describe }),
    ...(skipped && { skipped }),
    ...(source && relabelled(source, classes, moved)),
  };
}

/** Several labels per image in another order. */
function reordered(dataset: Dataset, classes: readonly string[], places: readonly number[]): Dataset {
  const K = places.length;
  const moved = (targets: ArrayLike<number>): Float32Array => {
    const out = new Float32Array(targets.length);
    for (let i = 0; i < targets.length; i++) out[i - (i % K) + places[i % K]!] = targets[i]!;
    return out;
  };
  const { name, length, describe, skipped, source } = dataset;
  const isStored = source?.kind === "files" || source?.kind === "encoded";
  return {
    name,
    classes,
    length,
    targetSize: K,
    async get(index) {
      const { image, target } = await dataset.get(index);
      return { image, ...(target && { target: moved(target) }) };
    },
    ...(describe && { describe }),
    ...(skipped && { skipped }),
    ...(isStored && source.targets && { source: { ...source, targets: moved(source.targets) } }),
  };
}

const plain = (name: string) => name.toLowerCase().replaceAll("_", " ");

function relabelled(
  source: DatasetSource,
  classes: readonly string[],
  moved: (labels: ArrayLike<number>) => Int32Array,
) {
  if (source.kind === "files" || source.kind === "encoded")
    return { source: { ...source, labels: moved(source.labels) } };
  if (source.kind !== "memory" || !source.memory.labels) return {};
  const { memory } = source;
  return { source: { kind: "memory" as const, memory: { ...memory, classes, labels: moved(source.memory.labels) } } };
}
