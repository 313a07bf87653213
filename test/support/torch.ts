/** PyTorch as the reference of single operations: one Python process answers any number of questions. */
import { fromBytes, type TensorData, toBytes } from "../../src/graph/index.ts";
import { PythonServer } from "./python-server.ts";

/** Outputs of an expression in float64, and gradients of Σ output · weight. */
const SCRIPT = `
import base64
import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(0)

def read(t):
    array = np.frombuffer(base64.b64decode(t["data"]), t["dtype"]).reshape(t["shape"])
    value = torch.from_numpy(array.copy())
    return value.double() if t["dtype"] == "float32" else value

def write(value):
    value = value.detach()
    value = value.double() if value.is_floating_point() else value
    array = np.ascontiguousarray(value.numpy())
    return {"dtype": array.dtype.name, "shape": list(value.shape), "data": base64.b64encode(array).decode()}

def answer(question):
    x = [read(t) for t in question["inputs"]]
    wrt = [x[i].requires_grad_() for i in question["wrt"]]
    y = eval(question["expression"], {"torch": torch, "F": F, "x": x})
    y = list(y) if isinstance(y, (tuple, list)) else [y]
    weights = [read(t) for t in question["weights"]]
    gradients = []
    if wrt:
        loss = sum((value * weight).sum() for value, weight in zip(y, weights))
        gradients = torch.autograd.grad(loss, wrt, allow_unused=True)
        gradients = [torch.zeros_like(v) if g is None else g for v, g in zip(wrt, gradients)]
    return {"outputs": [write(v) for v in y], "gradients": [write(g) for g in gradients]}

serve(answer)
`;

export interface Question {
  /** Python in which the inputs are `x[0]`, `x[1]`, …, in float64 where they are float32. */
  readonly expression: string;
  readonly inputs: readonly TensorData[];
  /** Inputs whose gradient is asked for. */
  readonly wrt: readonly number[];
  /** Weight of each output in the loss. */
  readonly weights: readonly TensorData[];
}

export interface Answer {
  readonly outputs: readonly TensorData[];
  readonly gradients: readonly TensorData[];
}

interface Wire {
  dtype: TensorData["dtype"];
  shape: readonly number[];
  data: string;
}

const toWire = (tensor: TensorData): Wire => ({
  dtype: tensor.dtype,
  shape: tensor.shape,
  data: Buffer.from(toBytes(tensor)).toString("base64"),
});
const fromWire = ({ dtype, shape, data }: Wire): TensorData => fromBytes(dtype, shape, Buffer.from(data, "base64"));

export class Torch {
  readonly #python: PythonServer;

  /** With the modules that expressions use, besides PyTorch. */
  constructor(...modules: string[]) {
    this.#python = new PythonServer(SCRIPT, ["torch", "numpy", ...modules]);
  }

  async ask({ expression, inputs, wrt, weights }: Question): Promise<Answer> {
    const question = { expression, wrt, inputs: inputs.map(toWire), weights: weights.map(toWire) };
    const { outputs, gradients } = await this.#python.ask<{ outputs: Wire[]; gradients: Wire[] }>(question);
    return { outputs: outputs.map(fromWire), gradients: gradients.map(fromWire) };
  }
}

/** For all test files of a worker. */
export const torch = new Torch();
