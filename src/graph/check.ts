/** Throws an Error with the message where the condition does not hold. The message is built only then. */
export function check(condition: unknown, message: () => string): asserts condition {
  if (!condition) throw new Error(message());
}
