/** The files that `convnets studio` offers. As a static site, the studio has no server and no such files. */

import { token } from "./token.ts";

/** A file in the folder that the studio was started in. */
export interface ServerFile {
  /** Path from the folder. */
  readonly name: string;
  readonly bytes: number;
}

/** Asks the server, with the token of this tab. */
export function ask(path: string, { headers, ...init }: RequestInit = {}): Promise<Response> {
  return fetch(new URL(path, document.baseURI), {
    ...init,
    headers: { ...headers, Authorization: `Bearer ${token()}` },
  });
}

/** Whether the page came from a server that has files and runs. */
export const hasServer = (): boolean => token() !== null;

let listed: Promise<readonly ServerFile[]> | undefined;

/** The network files in the folder; none without a server. */
export function serverFiles(): Promise<readonly ServerFile[]> {
  if (token() === null) return Promise.resolve([]);
  listed ??= ask("api/files").then(
    (response) => (response.ok ? response.json() : []),
    () => [],
  );
  return listed;
}

export async function serverBytes(name: string): Promise<Uint8Array> {
  const response = await ask(`api/file?${new URLSearchParams({ path: name })}`);
  if (!response.ok) throw new Error(await response.text());
  return new Uint8Array(await response.arrayBuffer());
}
