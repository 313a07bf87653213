/** A config as a list: settings within others are named `optimizer.momentum`, and what is left out does not appear. */
export function settingsOf(config: Readonly<Record<string, unknown>>, prefix = ""): [name: string, value: string][] {
  return Object.entries(config).flatMap(([key, value]): [string, string][] => {
    if (value === undefined) return [];
    return isRecord(value) ? settingsOf(value, `${prefix}${key}.`) : [[prefix + key, words(value)]];
  });
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `{ randomCrop: { size: 32, padding: 4 } }` as "randomCrop(size 32, padding 4)". */
function words(value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.map(words);
    return value.some((item) => typeof item === "number") ? `[${items.join(", ")}]` : items.join(", ") || "none";
  }
  if (!isRecord(value)) return String(value);
  return Object.entries(value)
    .map(([name, inner]) => `${name}${isRecord(inner) ? `(${named(inner)})` : ` ${words(inner)}`}`)
    .join(", ");
}

const named = (record: Readonly<Record<string, unknown>>): string =>
  Object.entries(record)
    .map(([name, value]) => `${name} ${words(value)}`)
    .join(", ");
