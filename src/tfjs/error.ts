/** A model of TensorFlow.js or Keras that cannot be used. The only error that their readers throw for what the files hold. */
export class TfjsError extends Error {
  override readonly name: string = "TfjsError";

  constructor(message: string, options?: ErrorOptions) {
    // names in files can be of any length
    super(message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message, options);
  }
}

/** In characters. */
const MAX_MESSAGE = 1000;

/** Throws a TfjsError with the message when the condition does not hold. The message is built only then. */
export function ensure(condition: unknown, message: () => string): asserts condition {
  if (!condition) throw new TfjsError(message());
}

/** A name from a file as it may stand in a message: quoted, control characters escaped, cut if it is long. */
export function quote(name: unknown): string {
  const text = String(name);
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
