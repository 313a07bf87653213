/** Networks from files, kept in the browser's own storage, so that a reload finds them again. */
import { signal } from "@preact/signals";
import { hasServer, serverBytes } from "./server.ts";

/** Files that may be opened as networks. */
export const NETWORK_FILE = /\.(onnx|pth|pt|safetensors)$/i;

const FOLDER = "networks";
const memory = new Map<string, Uint8Array>();

/** Names of the files that were opened here. */
export const kept = signal<readonly string[]>([]);

async function folder(): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getDirectoryHandle(FOLDER, { create: true });
  } catch {
    return undefined; // private windows have no storage; the file is open until the page closes
  }
}

async function list(): Promise<void> {
  const names = new Set(memory.keys());
  const stored = await folder();
  if (stored) for await (const name of stored.keys()) names.add(name);
  kept.value = [...names].sort();
}
list();

/** Keeps a file; another one of the same name is replaced. */
export async function keep(file: File): Promise<void> {
  memory.set(file.name, new Uint8Array(await file.arrayBuffer()));
  try {
    const handle = await (await folder())?.getFileHandle(file.name, { create: true });
    const stream = await handle?.createWritable();
    await stream?.write(file);
    await stream?.close();
  } catch {
    // a full disk does not stop anybody from looking at the network
  }
  await list();
}

/** Removes a file from the browser's storage. */
export async function forget(name: string): Promise<void> {
  memory.delete(name);
  await (await folder())?.removeEntry(name).catch(() => undefined);
  await list();
}

/** The bytes of a file that was opened before, or that the server has. */
export async function fileBytes(name: string): Promise<Uint8Array> {
  const found = memory.get(name);
  if (found) return found;
  const stored = await (await folder())?.getFileHandle(name).catch(() => undefined);
  if (stored) return new Uint8Array(await (await stored.getFile()).arrayBuffer());
  const served = hasServer() ? await serverBytes(name).catch(() => undefined) : undefined;
  if (served) return served;
  throw new Error(`${name} is no longer in this browser; open the file again`);
}
