import { fileKind } from "../graph/index.ts";

/** An .onnx file that cannot be used. The only error that `decode` throws for what a file holds. */
export class OnnxError extends Error {
  override readonly name: string = "OnnxError";

  constructor(message: string, options?: ErrorOptions) {
    // names in files can be of any length
    super(message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message, options);
  }
}

/** In characters. */
const MAX_MESSAGE = 1000;

/** Throws an OnnxError with the message where the condition does not hold. The message is built only then. */
export function ensure(condition: unknown, message: () => string): asserts condition {
  if (!condition) throw new OnnxError(message());
}

/** A name from a file as it may stand in a message: quoted, control characters escaped, cut where it is long. */
export function quote(name: unknown): string {
  const text = String(name);
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

/** What a reader says at the end of a file. */
const CUT = /longer than the file|premature|out of range/i;

/** What a file seems to be that cannot be read as a model. */
export function notOnnx(start: Uint8Array, error: Error): string {
  const kind = fileKind(start);
  const isKnown = !/no known kind/.test(kind);
  return isKnown
    ? `this is no ONNX file: ${kind}`
    : `this is no ONNX file, or a damaged one: ${error.message}${CUT.test(error.message) ? "; if its end is missing, download it again" : ""}`;
}
