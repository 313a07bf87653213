/** A weight file, or a set of weights, that cannot be used. The only error that the readers throw for what a file holds. */
export class CheckpointError extends Error {
  override readonly name: string = "CheckpointError";
}

/** Throws a CheckpointError with the message where the condition does not hold. The message is built only then. */
export function ensure(condition: unknown, message: () => string): asserts condition {
  if (!condition) throw new CheckpointError(message());
}

/** A name from a file as it may stand in a message: quoted, control characters escaped, cut where it is long. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}

/** Any value of a file as it may stand in a message; of containers the kind alone, as they may be of any size. */
export function describe(value: unknown): string {
  if (typeof value === "string") return quote(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
