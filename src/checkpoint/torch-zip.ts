/** The zip form of torch.save (PyTorch 1.6 and later), and TorchScript's archives, which have the same parts. */
import { type RandomAccess, readRange } from "./access.ts";
import { CheckpointError, ensure, quote } from "./error.ts";
import { unpickle } from "./pickle.ts";
import { sizeOf } from "./storage-types.ts";
import { MAX_PICKLE, type Opened } from "./torch-form.ts";
import { pickleDialect } from "./torch-stream.ts";
import { locateZipEntry, readZipDirectory, type ZipEntry } from "./zip.ts";

/** Beside the pickle, where `torch.load` does not look. */
export const METADATA_RECORD = "extra/metadata.json";

/** Other zip files that people take for checkpoints. */
const KINDS: readonly (readonly [name: RegExp, what: string])[] = [
  [
    /(^|\/)(serialized_exported_program\.json|models\/\w+\.json|archive_format)$/,
    "a program of torch.export; save `model.state_dict()` with torch.save instead",
  ],
  [
    /(^|\/)\.data\/(version|extern_modules)$/,
    "a package of torch.package; save `model.state_dict()` with torch.save instead",
  ],
  [/^[^/]*\/model\.json$/, "a TorchScript program from before PyTorch 1.1; save it again with a newer one"],
  [/^model\.weights\.h5$/, "a Keras model"],
  [/\.npy$/, 'NumPy\'s arrays (.npz), which "convnets predict" takes'],
  [/\.(pth|pt|safetensors|onnx)$/i, "an archive around weight files; unpack it and pass one of them"],
  [/\.(jpe?g|png|webp|bmp|gif|tiff?)$/i, "an archive of images; pass it as --data"],
  [/^word\/|^xl\/|^ppt\//, "an Office document"],
];

function kindOf(names: readonly string[]): string {
  const found = KINDS.find(([pattern]) => names.some((name) => pattern.test(name)));
  if (found) return `it is ${found[1]}`;
  return `it is another kind of file, with ${names.slice(0, 3).map(quote).join(", ") || "nothing in it"}`;
}

export async function openZip(file: RandomAccess, crc32?: (bytes: Uint8Array) => number): Promise<Opened> {
  const directory = await readZipDirectory(file);
  const pickles = [...directory.keys()].filter((name) => /^[^/]*\/data\.pkl$/.test(name));
  ensure(
    pickles.length === 1,
    () =>
      `torch: the zip file holds ${pickles.length} data.pkl where PyTorch's hold one: ${kindOf([...directory.keys()])}`,
  );
  const prefix = pickles[0]!.slice(0, -"data.pkl".length);
  const isScript = directory.has(`${prefix}constants.pkl`);
  const read = async (entry: ZipEntry): Promise<Uint8Array> => {
    const { offset, length } = await locateZipEntry(file, entry);
    const bytes = await readRange(file, offset, length, `zip: entry ${quote(entry.name)}`);
    ensure(
      !crc32 || crc32(bytes) === entry.crc,
      () =>
        `zip: entry ${quote(entry.name)} does not have its checksum; the file is damaged, or was written without checksums (verify: false reads it)`,
    );
    return bytes;
  };
  const small = async (name: string, limit: number): Promise<Uint8Array | undefined> => {
    const entry = directory.get(prefix + name);
    ensure(
      !entry || entry.size <= limit,
      () => `torch: record ${name} has ${entry!.size} bytes, more than ${limit}; refused`,
    );
    return entry && read(entry);
  };
  const order = new TextDecoder().decode(await small("byteorder", 64));
  ensure(
    order === "" || order === "little",
    () => `torch: byte order ${quote(order)}; only little-endian files are read`,
  );
  const pickle = (await small("data.pkl", MAX_PICKLE))!;
  const dialect = pickleDialect();
  const root = unpickle(pickle, 0, dialect).value;
  return {
    format: isScript ? "torchscript" : "torch",
    root,
    pickleSize: pickle.length,
    // the classes of a program are in the file
    unknown: isScript ? new Set() : dialect.unknown,
    metadata: parseMetadata(await small(METADATA_RECORD, MAX_PICKLE)),
    read: async (storage) => {
      const entry = directory.get(`${prefix}data/${storage.key}`);
      ensure(entry, () => `torch: there is no record for storage ${quote(storage.key)}`);
      const bytes = storage.numel * sizeOf(storage.dtype);
      ensure(
        entry.size === bytes,
        () =>
          `torch: storage ${quote(storage.key)}, ${storage.numel} ${storage.dtype}, takes ${bytes} bytes, its record has ${entry.size}`,
      );
      return read(entry);
    },
  };
}

function parseMetadata(bytes: Uint8Array | undefined): Record<string, string> {
  if (!bytes) return {};
  let metadata: unknown;
  try {
    metadata = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new CheckpointError(`torch: record ${METADATA_RECORD} is not JSON`, { cause: error });
  }
  ensure(
    typeof metadata === "object" &&
      metadata !== null &&
      Object.values(metadata).every((value) => typeof value === "string"),
    () => `torch: record ${METADATA_RECORD} is no object of strings`,
  );
  return metadata as Record<string, string>;
}
