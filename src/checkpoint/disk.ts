import { CheckpointError } from "./error.ts";

/** What a failed write says: where there is no room, which file it was and what to do. Other errors stay as they are. */
export function writeError(path: string, error: Error & { code?: string | undefined }): Error {
  switch (error.code) {
    case "ENOSPC":
    case "EDQUOT":
      return new CheckpointError(
        `${path}: the disk is full; what was saved before is untouched, free some space and go on`,
        { cause: error },
      );
    case "EFBIG":
      return new CheckpointError(
        `${path}: the file would be larger than the limit on file sizes (ulimit -f); what was saved before is untouched, raise the limit and go on`,
        { cause: error },
      );
    default:
      return error;
  }
}
