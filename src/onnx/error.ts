/** An .onnx file that cannot be used. The only error that `decode` throws for what a file holds. */
export class OnnxError extends Error {
  override readonly name: string = "OnnxError";
}

/** Throws an OnnxError with the message where the condition does not hold. The message is built only then. */
export function ensure(condition: unknown, message: () => string): asserts condition {
  if (!condition) throw new OnnxError(message());
}

/** A name from a file as it may stand in a message: quoted, control characters escaped, cut where it is long. */
export function quote(name: unknown): string {
  const text = String(name);
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
