import { type Dataset, type DatasetSource, memoryDataset, sharedBytes, subset } from "../dataset.ts";
import { mount, unpackedFor } from "./archives.ts";
import { encodedDataset, fileDataset } from "./file-dataset.ts";
import { datasetOf } from "./module.ts";

/** Opens a data set from plain data, in another thread than the one it came from. */
export async function openSource(source: DatasetSource, name: string, classes: readonly string[]): Promise<Dataset> {
  switch (source.kind) {
    case "memory":
      return memoryDataset(source.memory);
    case "files": {
      const { unpacked, ...files } = source;
      if (unpacked) await mount(unpacked);
      return fileDataset({ ...files, name, classes });
    }
    case "encoded":
      return encodedDataset({ ...source, name, classes });
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

/** The same source with its bytes in shared memory, so that workers read them in place. Copies them unless they are already. */
export async function shared(source: DatasetSource): Promise<DatasetSource> {
  switch (source.kind) {
    case "subset":
      return { ...source, of: await shared(source.of) };
    case "memory":
      return { kind: "memory", memory: { ...source.memory, images: inSharedMemory(source.memory.images) } };
    case "encoded": {
      const encoded = source.encoded.map((chunk) => ({ ...chunk, bytes: inSharedMemory(chunk.bytes) }));
      return { ...source, encoded };
    }
    case "files": {
      const unpacked = await unpackedFor(source.files);
      return unpacked.size > 0 ? { ...source, unpacked } : source;
    }
    case "module":
      return source;
    default:
      return source satisfies never;
  }
}

function inSharedMemory(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer instanceof SharedArrayBuffer) return bytes;
  const copy = sharedBytes(bytes.length);
  copy.set(bytes);
  return copy;
}
