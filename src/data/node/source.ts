import { type Dataset, type DatasetSource, memoryDataset, sharedBytes, subset } from "../dataset.ts";
import { generatedShapes } from "../shapes.ts";
import { fileDataset } from "./image-folder.ts";
import { datasetOf } from "./module.ts";

/** Opens a data set from plain data, in another thread than the one it came from. */
export async function openSource(source: DatasetSource, name: string, classes: readonly string[]): Promise<Dataset> {
  switch (source.kind) {
    case "memory":
      return source.generated ? generatedShapes(source.memory, source.generated) : memoryDataset(source.memory);
    case "files":
      return fileDataset({ ...source, name, classes });
    case "module": {
      const module = (await import(source.url)) as Record<string, unknown>;
      const { export: exported } = (source.options ?? {}) as { readonly export?: string };
      if (exported !== undefined) return (await datasetOf(module[exported])) as Dataset;
      if (typeof module.openDataset !== "function")
        throw new Error(`${source.url} exports no function openDataset(options)`);
      return module.openDataset(source.options);
    }
    case "subset":
      return subset(await openSource(source.of, name, classes), source.indices);
    default:
      return source satisfies never;
  }
}

/** The same source with its images in shared memory, so that workers read them in place. Copies them unless they are already. */
export function shared(source: DatasetSource): DatasetSource {
  if (source.kind === "subset") return { ...source, of: shared(source.of) };
  if (source.kind !== "memory" || source.memory.images.buffer instanceof SharedArrayBuffer) return source;
  const images = sharedBytes(source.memory.images.length);
  images.set(source.memory.images);
  return { kind: "memory", memory: { ...source.memory, images } };
}
