/** Throws an Error with the message where the condition does not hold. The message is built only then. */
export function check(condition: unknown, message: () => string): asserts condition {
  if (!condition) throw new Error(message());
}

/** Names that a message lists at most. */
const LISTED = 8;

/** Names as a message lists them: `a, b, c and 40 more`. */
export function listed(names: readonly string[]): string {
  const more = names.length - LISTED;
  return more <= 0 ? names.join(", ") : `${names.slice(0, LISTED).join(", ")} and ${more} more`;
}
