import { type Attribute, type Attributes, Float } from "../graph/index.ts";
import { ensure, OnnxError, quote } from "./error.ts";
import type { AttributeProto } from "./proto.ts";
import { decodeTensor } from "./tensor.ts";

/** Numbers of AttributeProto.AttributeType. */
export const ATTRIBUTE_TYPE = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;

/** The attributes of a node by name. `what` names the node in messages. */
export function decodeAttributes(protos: readonly AttributeProto[], what: string): Attributes {
  const entries = protos.map((proto) => {
    const name = proto.name ?? "";
    return [name, decodeAttribute(proto, `${what}: attribute ${quote(name)}`)] as const;
  });
  ensure(new Set(entries.map(([name]) => name)).size === entries.length, () => `${what}: an attribute stands twice`);
  return Object.fromEntries(entries);
}

function decodeAttribute(proto: AttributeProto, what: string): Attribute {
  const { f, i, s, t, g, floats, ints, strings } = proto;
  switch (proto.type || kindOf(proto)) {
    case ATTRIBUTE_TYPE.float:
      return new Float(f ?? 0);
    case ATTRIBUTE_TYPE.int:
      return whole(i ?? 0);
    case ATTRIBUTE_TYPE.string:
      return text(s ?? new Uint8Array());
    case ATTRIBUTE_TYPE.tensor:
      ensure(t, () => `${what} is said to be a tensor, but none is there`);
      return decodeTensor(t, what);
    case ATTRIBUTE_TYPE.floats:
      return Float32Array.from(floats ?? []);
    case ATTRIBUTE_TYPE.ints:
      return Array.from(ints ?? [], whole);
    case ATTRIBUTE_TYPE.strings:
      return Array.from(strings ?? [], text);
    default:
      throw new OnnxError(`${what} is ${g ? "a graph" : "of a kind"} that is not supported inside nodes`);
  }
}

/** Files of the first versions do not say of what kind an attribute is. */
function kindOf({ f, i, s, t, floats, ints, strings }: AttributeProto): number {
  if (f !== undefined) return ATTRIBUTE_TYPE.float;
  if (i !== undefined) return ATTRIBUTE_TYPE.int;
  if (s) return ATTRIBUTE_TYPE.string;
  if (t) return ATTRIBUTE_TYPE.tensor;
  if (floats) return ATTRIBUTE_TYPE.floats;
  if (ints) return ATTRIBUTE_TYPE.ints;
  return strings ? ATTRIBUTE_TYPE.strings : 0;
}

const LARGEST = Number.MAX_SAFE_INTEGER;

/** Whole numbers beyond ±2^53 mean "to the end" in the attributes that have them, as the largest of ours does. */
const whole = (value: bigint | number): number => Math.min(Math.max(Number(value), -LARGEST), LARGEST);

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
