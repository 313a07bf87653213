/** Ranks cannot train together; the message says what to install or to change. */
export class ClusterError extends Error {
  override name = "ClusterError";
}
