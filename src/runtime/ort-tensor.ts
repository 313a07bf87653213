import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-common";
import { asData, type DType, type TensorData, type TypedArray } from "../graph/index.ts";
import { type DeviceTensor, EngineError } from "./engine.ts";

/** The part of onnxruntime-node and onnxruntime-web that both have. */
export interface Ort {
  readonly InferenceSession: {
    create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: new (
    type: OrtTensor.Type,
    data: TypedArray | readonly number[],
    dims: readonly number[],
  ) => OrtTensor;
}

/** Copies a tensor's numbers into memory that JavaScript sees. */
export type Download = (tensor: OrtTensor) => Promise<OrtTensor.DataType>;

/** Arrays that others have, and that runs may write over. */
const changing = new WeakSet<TypedArray>();

/** An array that no run writes over: the same, or a copy. */
export const unchanging = (data: TypedArray): TypedArray => (changing.has(data) ? data.slice() : data);

/** A tensor of ONNX Runtime. */
export class OrtDeviceTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #tensor: OrtTensor;
  readonly #download: Download;

  constructor(tensor: OrtTensor, download: Download = (tensor) => tensor.getData()) {
    this.#tensor = tensor;
    this.#download = download;
    this.dtype = tensor.type as DType;
    this.shape = tensor.dims;
  }

  get tensor(): OrtTensor {
    if (this.#tensor.location === "none") throw new EngineError("the tensor is used, but was disposed already");
    return this.#tensor;
  }

  get local(): TensorData | undefined {
    const { tensor, dtype, shape } = this;
    if (tensor.location !== "cpu") return undefined;
    changing.add(tensor.data as TypedArray);
    return { dtype, shape, data: tensor.data } as TensorData;
  }

  async read(): Promise<TensorData> {
    const data = asData(this.dtype, this.shape, await this.#download(this.tensor), "output");
    return { dtype: this.dtype, shape: this.shape, data } as TensorData;
  }

  dispose(): void {
    if (this.#tensor.location !== "none") this.#tensor.dispose();
  }
}

/**
 * Puts numbers into arrays that ONNX Runtime takes for its own. It checks them with instanceof, which fails if it was loaded in
 * another realm than this module, as some test runners do. The memory stays the same unless it is shared.
 */
export function ownArrays({ Tensor }: Ort): (dtype: DType, data: TypedArray) => TypedArray {
  const types = new Map<DType, Float32ArrayConstructor>();
  return (dtype, data) => {
    // where JavaScript has float16, ONNX Runtime takes raw bits as well
    const kind = dtype === "float16" ? "uint16" : dtype;
    const Type =
      types.get(kind) ?? (new Tensor(kind as OrtTensor.Type, [], [0]).data.constructor as Float32ArrayConstructor);
    types.set(kind, Type);
    // its binding for Node refuses shared memory
    if (Object.prototype.toString.call(data.buffer) === "[object SharedArrayBuffer]")
      return Type.from(data as Float32Array);
    if ((data as unknown) instanceof Type) return data;
    return new Type(data.buffer as ArrayBuffer, data.byteOffset, data.length);
  };
}
