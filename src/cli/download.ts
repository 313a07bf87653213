import type { DownloadProgress, LocateOptions } from "../data/node/index.ts";
import type { Output } from "./progress.ts";

export interface DataFlags {
  dataDir?: string;
  offline?: boolean;
}

/** Options for finding data sets. */
export const locating = ({ dataDir, offline }: DataFlags): LocateOptions => ({
  ...(dataDir !== undefined && { dataDir }),
  ...(offline && { download: false }),
});

/** Finds data sets, with the progress of downloads on a terminal. */
export async function withDownloads<T>(flags: DataFlags, find: (options: LocateOptions) => Promise<T>): Promise<T> {
  const bar = downloadBar(process.stderr);
  return find({ ...locating(flags), onProgress: bar.show }).finally(bar.close);
}

/** The progress of a download, in a line on a terminal that disappears at the end; nothing elsewhere. */
export function downloadBar(out: Output) {
  let shown = "";
  const write = (line: string) => {
    if (line === shown || !out.isTTY) return;
    out.write(`\r${line}\x1b[K`);
    shown = line;
  };
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  return {
    show({ url, received, total }: DownloadProgress) {
      const far = total
        ? `${megabytes(received)} of ${megabytes(total)} MB  ${Math.floor((100 * received) / total)} %`
        : `${megabytes(received)} MB`;
      write(`${url.split("/").at(-1)}  ${far}`.slice(0, (out.columns || 80) - 1));
    },
    close: () => write(""),
  };
}
