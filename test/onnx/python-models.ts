/** Models made by Python's onnx. */
import { python } from "../support/python.ts";

/** Attributes as Python's make_attribute takes them; real numbers are wrapped, as JSON does not tell 1.0 from 1. */
export type PythonAttribute = number | string | readonly number[] | { readonly real: number | readonly number[] };

export interface PythonNode {
  readonly op: string;
  readonly inputs?: readonly string[];
  /** Default `["y"]`. */
  readonly outputs?: readonly string[];
  readonly attributes?: Readonly<Record<string, PythonAttribute>>;
  readonly domain?: string;
}

export interface PythonTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
  /** As bytes instead of in the field of its type. */
  readonly raw?: boolean;
}

export interface PythonModel {
  readonly opset: number;
  readonly nodes: readonly PythonNode[];
  /** Shapes of the inputs, float32 all of them. Default: `{ x: [2, 3, 4, 4] }`. */
  readonly inputs?: Readonly<Record<string, readonly (number | string)[]>>;
  readonly initializers?: Readonly<Record<string, PythonTensor>>;
  /** Default `["y"]`. */
  readonly outputs?: readonly string[];
}

const MAKE = `
import base64, json, sys
import numpy as np
import onnx
from onnx import helper, TensorProto

numpy_type = getattr(helper, "tensor_dtype_to_np_dtype", None) or onnx.mapping.TENSOR_TYPE_TO_NP_TYPE.get

def tensor(name, t):
    dtype = getattr(TensorProto, t["dtype"].upper())
    if t.get("raw"):
        array = np.array(t["values"], numpy_type(dtype))
        return helper.make_tensor(name, dtype, t["shape"], array.tobytes(), raw=True)
    return helper.make_tensor(name, dtype, t["shape"], t["values"])

def attribute(value):
    if not isinstance(value, dict):
        return value
    real = value["real"]
    return [float(v) for v in real] if isinstance(real, list) else float(real)

def make(model):
    nodes = [
        helper.make_node(n["op"], n.get("inputs", ["x"]), n.get("outputs", ["y"]), name=f"node_{i}", domain=n.get("domain", ""),
                         **{k: attribute(v) for k, v in n.get("attributes", {}).items()})
        for i, n in enumerate(model["nodes"])
    ]
    inputs = model.get("inputs", {"x": [2, 3, 4, 4]})
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in model.get("outputs", ["y"])],
        [tensor(name, t) for name, t in model.get("initializers", {}).items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", model["opset"])], ir_version=8)
    return base64.b64encode(made.SerializeToString()).decode()

print(json.dumps([make(model) for model in json.load(sys.stdin)]))
`;

/** The models as bytes, all made by one Python. */
export function makeModels(models: readonly PythonModel[]): Uint8Array[] {
  const made = JSON.parse(python(MAKE, { input: JSON.stringify(models) })) as string[];
  return made.map((text) => new Uint8Array(Buffer.from(text, "base64")));
}
