import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/*
 * The messages of onnx.proto that a model consists of: names, numbers and types of fields as ONNX publishes them. Fields left
 * out here are skipped when read.
 */

type Scalar = "int32" | "int64" | "float" | "double" | "string" | "bytes" | "uint64";
type FieldType = Scalar | keyof typeof MESSAGES;
interface Field {
  readonly number: number;
  readonly type: FieldType;
  readonly repeated: boolean;
}

const one = (number: number, type: string): Field => ({ number, type: type as FieldType, repeated: false });
const many = (number: number, type: string): Field => ({ number, type: type as FieldType, repeated: true });

const MESSAGES = {
  Model: {
    irVersion: one(1, "int64"),
    producerName: one(2, "string"),
    producerVersion: one(3, "string"),
    docString: one(6, "string"),
    graph: one(7, "Graph"),
    opsetImport: many(8, "OperatorSet"),
    metadataProps: many(14, "Entry"),
    functions: many(25, "bytes"),
  },
  OperatorSet: { domain: one(1, "string"), version: one(2, "int64") },
  Entry: { key: one(1, "string"), value: one(2, "string") },
  Graph: {
    node: many(1, "Node"),
    name: one(2, "string"),
    initializer: many(5, "Tensor"),
    docString: one(10, "string"),
    input: many(11, "ValueInfo"),
    output: many(12, "ValueInfo"),
    valueInfo: many(13, "ValueInfo"),
  },
  Node: {
    input: many(1, "string"),
    output: many(2, "string"),
    name: one(3, "string"),
    opType: one(4, "string"),
    attribute: many(5, "Attribute"),
    domain: one(7, "string"),
    metadataProps: many(9, "Entry"),
  },
  Attribute: {
    name: one(1, "string"),
    f: one(2, "float"),
    i: one(3, "int64"),
    s: one(4, "bytes"),
    t: one(5, "Tensor"),
    g: one(6, "Graph"),
    floats: many(7, "float"),
    ints: many(8, "int64"),
    strings: many(9, "bytes"),
    type: one(20, "int32"),
  },
  Tensor: {
    dims: many(1, "int64"),
    dataType: one(2, "int32"),
    floatData: many(4, "float"),
    int32Data: many(5, "int32"),
    int64Data: many(7, "int64"),
    name: one(8, "string"),
    rawData: one(9, "bytes"),
    doubleData: many(10, "double"),
    uint64Data: many(11, "uint64"),
    externalData: many(13, "Entry"),
    dataLocation: one(14, "int32"),
  },
  ValueInfo: { name: one(1, "string"), type: one(2, "Type") },
  Type: { tensorType: one(1, "TensorType"), sequenceType: one(4, "SequenceType") },
  SequenceType: { elemType: one(1, "Type") },
  TensorType: { elemType: one(1, "int32"), shape: one(2, "Shape") },
  Shape: { dim: many(1, "Dimension") },
  Dimension: { dimValue: one(1, "int64"), dimParam: one(2, "string") },
} as const;

interface ScalarValues {
  int32: number;
  int64: bigint | number;
  uint64: bigint | number;
  float: number;
  double: number;
  string: string;
  bytes: Uint8Array;
}

export interface EntryProto {
  key?: string;
  value?: string;
}
export interface TensorProto {
  dims?: ArrayLike<number | bigint>;
  dataType?: number;
  floatData?: ArrayLike<number>;
  int32Data?: ArrayLike<number>;
  int64Data?: ArrayLike<bigint | number>;
  uint64Data?: ArrayLike<bigint | number>;
  doubleData?: ArrayLike<number>;
  name?: string;
  rawData?: Uint8Array;
  externalData?: EntryProto[];
  dataLocation?: number;
}
export interface AttributeProto {
  name?: string;
  f?: number;
  i?: bigint | number;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  floats?: ArrayLike<number>;
  ints?: ArrayLike<bigint | number>;
  strings?: Uint8Array[];
  type?: number;
}
export interface NodeProto {
  input?: string[];
  output?: string[];
  name?: string;
  opType?: string;
  attribute?: AttributeProto[];
  domain?: string;
  metadataProps?: EntryProto[];
}
export interface TypeProto {
  tensorType?: { elemType?: number; shape?: { dim?: { dimValue?: bigint | number; dimParam?: string }[] } };
  sequenceType?: { elemType?: TypeProto };
}
export interface ValueInfoProto {
  name?: string;
  type?: TypeProto;
}
export interface GraphProto {
  node?: NodeProto[];
  name?: string;
  initializer?: TensorProto[];
  docString?: string;
  input?: ValueInfoProto[];
  output?: ValueInfoProto[];
  valueInfo?: ValueInfoProto[];
}
export interface ModelProto {
  irVersion?: bigint | number;
  producerName?: string;
  producerVersion?: string;
  docString?: string;
  graph?: GraphProto;
  opsetImport?: { domain?: string; version?: bigint | number }[];
  metadataProps?: EntryProto[];
  /** Operators defined in the file, not read any further. */
  functions?: Uint8Array[];
}

type Fields = Readonly<Record<string, Field>>;
type Message = Record<string, unknown>;

/** Nesting beyond this is no model, but an attack. */
const MAX_DEPTH = 32;

const WIRE = {
  int32: WireType.Varint,
  int64: WireType.Varint,
  uint64: WireType.Varint,
  float: WireType.Bit32,
  double: WireType.Bit64,
  string: WireType.LengthDelimited,
  bytes: WireType.LengthDelimited,
} as const satisfies Record<Scalar, WireType>;

const isScalar = (type: FieldType): type is Scalar => Object.hasOwn(WIRE, type);

/** Bytes of a model. */
export function encodeModel(model: ModelProto): Uint8Array {
  const writer = new BinaryWriter();
  write(writer, MESSAGES.Model, model as Message);
  return writer.finish();
}

/** The model in these bytes. Throws a RangeError or Error where they are no valid message. */
export function decodeModel(bytes: Uint8Array): ModelProto {
  return read(new BinaryReader(bytes), bytes.length, MESSAGES.Model, 0) as ModelProto;
}

function write(writer: BinaryWriter, fields: Fields, message: Message): void {
  for (const [name, { number, type, repeated }] of Object.entries(fields)) {
    const value = message[name];
    if (value === undefined) continue;
    for (const item of repeated ? (value as unknown[]) : [value]) {
      if (isScalar(type)) {
        writer.tag(number, WIRE[type]);
        (writer[type] as (item: unknown) => void)(item);
      } else {
        writer.tag(number, WireType.LengthDelimited).fork();
        write(writer, MESSAGES[type], item as Message);
        writer.join();
      }
    }
  }
}

function read(reader: BinaryReader, end: number, fields: Fields, depth: number): Message {
  if (depth > MAX_DEPTH) throw new Error(`messages are nested more than ${MAX_DEPTH} deep`);
  const byNumber = FIELD_NAMES.get(fields)!;
  const message: Message = {};
  while (reader.pos < end) {
    const [number, wire] = reader.tag();
    const name = byNumber.get(number);
    if (name === undefined) {
      reader.skip(wire, number);
      continue;
    }
    const { type, repeated } = fields[name]!;
    const items = readField(reader, type, wire, repeated, depth);
    if (!repeated) {
      message[name] = items[0];
      continue;
    }
    const before = message[name] as ArrayLike<unknown> | undefined;
    if (before === undefined) {
      message[name] = items;
      continue;
    }
    const list = Array.isArray(before) ? before : Array.from(before);
    for (let i = 0; i < items.length; i++) list.push(items[i]);
    message[name] = list;
  }
  if (reader.pos !== end) throw new RangeError("a message is longer than the bytes that hold it");
  return message;
}

function readField(
  reader: BinaryReader,
  type: FieldType,
  wire: WireType,
  repeated: boolean,
  depth: number,
): ArrayLike<unknown> {
  if (isScalar(type)) {
    if (wire === WIRE[type]) return [readScalar(reader, type)];
    if (wire !== WireType.LengthDelimited || !repeated)
      throw new Error(`a field of type ${type} has the wire type ${wire}`);
    return unpack(reader.bytes(), type);
  }
  if (wire !== WireType.LengthDelimited) throw new Error(`a message has the wire type ${wire}`);
  return [read(reader, lengthEnd(reader), MESSAGES[type], depth + 1)];
}

/** Packed numbers, in as many bytes as they take; JavaScript's lists would take up to 30 times those of the file. */
function unpack(bytes: Uint8Array, type: Scalar): ArrayLike<unknown> {
  if (type === "float" || type === "double") {
    const { BYTES_PER_ELEMENT: size } = type === "float" ? Float32Array : Float64Array;
    if (bytes.length % size !== 0) throw new RangeError(`${bytes.length} bytes hold no whole count of ${type}`);
    // slice() of a Buffer is no copy
    const { buffer } = new Uint8Array(bytes);
    return type === "float" ? new Float32Array(buffer) : new Float64Array(buffer);
  }
  // each varint ends at a byte without the highest bit
  const count = bytes.reduce((sum, byte) => sum + (byte < 0x80 ? 1 : 0), 0);
  const numbers =
    type === "int32" ? new Int32Array(count) : type === "int64" ? new BigInt64Array(count) : new BigUint64Array(count);
  const reader = new BinaryReader(bytes);
  let i = 0;
  while (reader.pos < bytes.length) numbers[i++] = readScalar(reader, type) as never;
  return numbers;
}

function lengthEnd(reader: BinaryReader): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new RangeError("a field is longer than the file");
  return end;
}

function readScalar<T extends Scalar>(reader: BinaryReader, type: T): ScalarValues[T] {
  return (reader[type] as () => unknown)() as ScalarValues[T];
}

const FIELD_NAMES = new Map<Fields, Map<number, string>>(
  Object.values(MESSAGES).map((fields) => [
    fields,
    new Map(Object.entries(fields as Fields).map(([name, { number }]) => [number, name])),
  ]),
);
