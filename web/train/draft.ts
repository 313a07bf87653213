/** Images that are being put together into a data set: folders, files, drops. */
import { signal } from "@preact/signals";
import * as Comlink from "comlink";
import { NETWORK_FILE } from "../state/files.ts";
import { go } from "../state/route.ts";
import { trainer } from "../training/client.ts";
import type { ClassFiles, DataInfo } from "../training/protocol.ts";
import { data, listSets } from "../training/setup.ts";

const IMAGE = /\.(jpe?g|png|webp|gif|bmp|avif)$/i;
const DATA_FILE = /(idx[13]-ubyte(\.gz)?|\.bin)$/i;

/** Classes that are being filled; undefined while nobody does. */
export const draft = signal<readonly ClassFiles[] | undefined>(undefined);
/** How many images were read, while a data set is made. */
export const importing = signal<{ readonly done: number; readonly total: number } | undefined>(undefined);
export const draftProblem = signal<string | undefined>(undefined);

/** A file with the folders that it was in. */
interface Found {
  readonly file: File;
  readonly folders: readonly string[];
}

async function walk(entry: FileSystemEntry, folders: readonly string[]): Promise<Found[]> {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ file, folders }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Found[] = [];
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    // a folder is read in pieces, the last of which is empty
    if (entries.length === 0) return found;
    for (const inner of entries) found.push(...(await walk(inner, [...folders, entry.name])));
  }
}

/** Takes what is dropped on the panel, unless it is a network. */
export function takeDropped(transfer: DataTransfer): boolean {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0 || entries.every(({ isFile, name }) => isFile && NETWORK_FILE.test(name))) return false;
  Promise.all(entries.map((entry) => walk(entry, []))).then((found) => take(found.flat()), fail);
  return true;
}

const fail = ({ message }: Error) => {
  draftProblem.value = message;
};

/** Files of a folder that was chosen. */
export const takeFiles = (files: Iterable<File>) =>
  take([...files].map((file) => ({ file, folders: file.webkitRelativePath.split("/").slice(0, -1) })));

async function take(found: readonly Found[]): Promise<void> {
  draftProblem.value = undefined;
  const known = found.filter(({ file }) => DATA_FILE.test(file.name));
  const images = found.filter(({ file }) => IMAGE.test(file.name));
  if (images.length === 0)
    return use(() => trainer.importFiles((known.length > 0 ? known : found).map(({ file }) => file)));
  const byClass = new Map<string, File[]>((draft.peek() ?? []).map(({ name, files }) => [name, [...files]]));
  for (const { file, folders } of images) {
    const name = folders.at(-1) ?? "";
    byClass.set(name, [...(byClass.get(name) ?? []), file]);
  }
  draft.value = [...byClass].map(([name, files]) => ({ name, files })).sort((a, b) => a.name.localeCompare(b.name));
}

const changed = (index: number, change: (one: ClassFiles) => ClassFiles) => {
  draft.value = (draft.peek() ?? []).map((one, i) => (i === index ? change(one) : one));
};

export const rename = (index: number, name: string) => changed(index, (one) => ({ ...one, name }));
export const addFiles = (index: number, files: Iterable<File>) =>
  changed(index, (one) => ({ ...one, files: [...one.files, ...files] }));
export const addClass = () => {
  draft.value = [...(draft.peek() ?? []), { name: "", files: [] }];
};
export const removeClass = (index: number) => {
  draft.value = (draft.peek() ?? []).filter((_, i) => i !== index);
};
export function discard(): void {
  draft.value = undefined;
  draftProblem.value = undefined;
}

/** Makes a data set of the draft, and takes it for the next run. */
export function useDraft(): Promise<void> {
  const classes = (draft.peek() ?? []).map(({ name, files }, i) => ({ name: name.trim() || String(i + 1), files }));
  const names = classes.map(({ name }) => name);
  const title = names.length <= 3 ? names.join(", ") : `${names.slice(0, 2).join(", ")} … (${names.length})`;
  const onProgress = Comlink.proxy((done: number, total: number) => {
    importing.value = { done, total };
  });
  return use(() => trainer.importImages(title, classes, onProgress));
}

async function use(make: () => Promise<DataInfo>): Promise<void> {
  draftProblem.value = undefined;
  importing.value = { done: 0, total: 1 };
  try {
    const { id } = await make();
    await listSets();
    draft.value = undefined;
    data.value = { kind: "stored", id };
    go({ run: undefined });
  } catch (error) {
    fail(error as Error);
  } finally {
    importing.value = undefined;
  }
}

/** Lets somebody choose files. */
export function choose(
  options: { readonly folder?: boolean; readonly accept?: string },
  then: (files: File[]) => void,
) {
  const input = Object.assign(document.createElement("input"), {
    type: "file",
    multiple: true,
    ...(options.accept && { accept: options.accept }),
    ...(options.folder && { webkitdirectory: true }),
  });
  input.addEventListener("change", () => then([...(input.files ?? [])]));
  input.click();
}
