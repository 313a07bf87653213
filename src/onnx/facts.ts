/** What an .onnx file holds, without reading its weights: the file is walked field by field, and numbers are skipped. */
import { type DType, formatShape, itemSize, numel } from "../graph/index.ts";
import { ONNX_TYPE } from "../operators/index.ts";
import { ensure, notOnnx, OnnxError } from "./error.ts";
import { decodeModel, type ModelProto, type TensorProto, type ValueInfoProto } from "./proto.ts";
import { EXTERNAL } from "./tensor.ts";

/** Type and shape of a tensor as a file states them. */
export interface OnnxTensorFacts {
  /** A type of ours, or ONNX's number where we have none. */
  readonly dtype: string;
  /** Numbers, names of sizes, or "?" where the file does not say. */
  readonly shape: readonly (number | string)[];
}

/** What an .onnx file says about one of its weights. */
export interface OnnxWeightFacts extends OnnxTensorFacts {
  readonly shape: readonly number[];
  /** 0 for types that we have none of. */
  readonly bytes: number;
  /** The other file that has its numbers. */
  readonly location?: string;
}

/** What an .onnx file holds, read without its numbers. */
export interface OnnxFacts {
  readonly irVersion: number;
  /** Version of the operators by domain; ONNX's own domain is "". */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly graph: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly inputs: ReadonlyMap<string, OnnxTensorFacts>;
  readonly outputs: ReadonlyMap<string, OnnxTensorFacts>;
  /** How often each operator stands in the graph, the most frequent first. */
  readonly operators: ReadonlyMap<string, number>;
  /** The initializers. */
  readonly weights: ReadonlyMap<string, OnnxWeightFacts>;
}

/** A file to walk through. */
export interface Bytes {
  readonly size: number;
  /** All of these bytes, which exist. */
  read(offset: number, length: number): Uint8Array;
}

/** Inputs, outputs, operators and weights of an .onnx file. Throws an OnnxError if it is damaged. */
export function onnxFacts(file: Bytes): OnnxFacts {
  let model: ModelProto;
  try {
    const pieces: Uint8Array[] = [];
    copy(new Window(file), 0, file.size, "Model", pieces);
    model = decodeModel(joined(pieces));
  } catch (error) {
    throw new OnnxError(notOnnx(file.read(0, Math.min(300, file.size)), error as Error), { cause: error });
  }
  const { graph } = model;
  ensure(graph?.node?.length || graph?.output?.length, () => "this is no ONNX file: it holds no graph");
  const weights = new Map((graph.initializer ?? []).map((tensor) => [tensor.name ?? "", weightFacts(tensor)]));
  const inputs = (graph.input ?? []).filter(({ name = "" }) => !weights.has(name));
  const counts = new Map<string, number>();
  for (const { opType = "", domain = "" } of graph.node ?? []) {
    const name = domain === "" || domain === "ai.onnx" ? opType : `${domain}.${opType}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return {
    irVersion: Number(model.irVersion ?? 0),
    opsets: Object.fromEntries(
      (model.opsetImport ?? []).map(({ domain = "", version = 0 }) => [domain, Number(version)]),
    ),
    producer: [model.producerName, model.producerVersion].filter(Boolean).join(" "),
    graph: graph.name ?? "",
    metadata: Object.fromEntries((model.metadataProps ?? []).map(({ key = "", value = "" }) => [key, value])),
    inputs: new Map(inputs.map(valueFacts)),
    outputs: new Map((graph.output ?? []).map(valueFacts)),
    operators: new Map([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))),
    weights,
  };
}

function dtypeOf(type: number): DType | undefined {
  return Object.entries(ONNX_TYPE).find(([, number]) => number === type)?.[0] as DType | undefined;
}

function valueFacts({ name = "", type }: ValueInfoProto): [string, OnnxTensorFacts] {
  const { elemType = 0, shape } = type?.tensorType ?? {};
  const dims = (shape?.dim ?? []).map(({ dimValue, dimParam }) =>
    // some exporters write -1 where a size is open
    dimValue !== undefined && Number(dimValue) >= 0 ? Number(dimValue) : dimParam || "?",
  );
  return [name, { dtype: dtypeOf(elemType) ?? `type ${elemType}`, shape: dims }];
}

function weightFacts({ dims = [], dataType = 0, dataLocation, externalData = [] }: TensorProto): OnnxWeightFacts {
  const shape = Array.from(dims, Number);
  const dtype = dtypeOf(dataType);
  ensure(
    shape.every((size) => Number.isSafeInteger(size) && size >= 0),
    () => `an initializer has the shape ${formatShape(shape)}, which no tensor has`,
  );
  const location = dataLocation === EXTERNAL ? externalData.find(({ key }) => key === "location")?.value : undefined;
  const bytes = dtype ? numel(shape) * itemSize(dtype) : 0;
  return { dtype: dtype ?? `type ${dataType}`, shape, bytes, ...(location !== undefined && { location }) };
}

/** The way to the weights: fields that are messages, by the number of the field. */
const INSIDE = {
  Model: { 7: "Graph" },
  Graph: { 1: "Node", 5: "Tensor" },
  Node: { 5: "Attribute" },
  Attribute: { 5: "Tensor" },
  Tensor: {},
} as const satisfies Record<string, Readonly<Record<number, string>>>;
type Kind = keyof typeof INSIDE;

/** Fields of a tensor that hold its numbers. */
const NUMBERS = new Set([4, 5, 6, 7, 9, 10, 11]);
/** Messages of so many bytes are copied with all they hold. */
const SMALL = 1024;

/** Copies a message without the numbers of its tensors. */
function copy(file: Window, start: number, end: number, kind: Kind, out: Uint8Array[]): void {
  for (let at = start; at < end; ) {
    const tag = file.varint(at, end);
    const [field, wire] = [Math.floor(tag.value / 8), tag.value % 8];
    if (wire !== LENGTH_DELIMITED) {
      const next = tag.end + fixedLength(wire, file, tag.end, end);
      ensure(next <= end, () => "a field is longer than the file");
      out.push(file.bytes(at, next));
      at = next;
      continue;
    }
    const length = file.varint(tag.end, end);
    const next = length.end + length.value;
    ensure(next <= end, () => "a field is longer than the file");
    const inner = (INSIDE[kind] as Readonly<Record<number, Kind>>)[field];
    if (inner && length.value > SMALL) {
      const pieces: Uint8Array[] = [];
      copy(file, length.end, next, inner, pieces);
      const body = joined(pieces);
      out.push(file.bytes(at, tag.end), varint(body.length), body);
    } else if (!(kind === "Tensor" && NUMBERS.has(field))) {
      out.push(file.bytes(at, next));
    }
    at = next;
  }
}

const LENGTH_DELIMITED = 2;

function fixedLength(wire: number, file: Window, at: number, end: number): number {
  if (wire === 0) return file.varint(at, end).end - at;
  ensure(wire === 1 || wire === 5, () => `a field has the wire type ${wire}`);
  return wire === 1 ? 8 : 4;
}

/** The part of the file that was read last. */
class Window {
  readonly #file: Bytes;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(file: Bytes) {
    this.#file = file;
  }

  /** Bytes [start, end) of the file. */
  bytes(start: number, end: number): Uint8Array {
    if (start < this.#start || end > this.#start + this.#bytes.length) {
      this.#bytes = this.#file.read(start, Math.min(Math.max(end - start, 2 ** 16), this.#file.size - start));
      this.#start = start;
    }
    return this.#bytes.subarray(start - this.#start, end - this.#start);
  }

  /** A number of up to 53 bits and where it ends; of more bits only the end is right. */
  varint(start: number, limit: number): { value: number; end: number } {
    let value = 0;
    for (let i = 0; i < 10 && start + i < limit; i++) {
      const byte = this.bytes(start + i, start + i + 1)[0]!;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return { value, end: start + i + 1 };
    }
    throw new Error("a number has no end");
  }
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return Uint8Array.of(...bytes, value);
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const piece of pieces) {
    bytes.set(piece, end);
    end += piece.length;
  }
  return bytes;
}
