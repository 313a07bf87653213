/** PyTorch as the reference of single operations: one Python process answers any number of questions. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fromBytes, type TensorData, toBytes } from "../../src/graph/index.ts";
import { interpreter } from "./python.ts";

/** Answers a line of JSON with a line of JSON: outputs of an expression in float64, and gradients of Σ output · weight. */
const SERVER = `
import base64, json, sys
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

for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception as error:
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
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

/** Questions are answered one after the other, each to its end. */
export class Torch {
  readonly #modules: readonly string[];
  #server: ChildProcessByStdio<Writable, Readable, null> | undefined;
  #lines: AsyncIterator<string> | undefined;
  #reader: Interface | undefined;

  /** With the modules that expressions use, besides PyTorch. */
  constructor(...modules: string[]) {
    this.#modules = ["torch", "numpy", ...modules];
  }

  async ask({ expression, inputs, wrt, weights }: Question): Promise<Answer> {
    const { server, lines } = this.#start();
    const question = { expression, wrt, inputs: inputs.map(toWire), weights: weights.map(toWire) };
    server.stdin.write(`${JSON.stringify(question)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error("Python ended; its message stands above");
    const reply = JSON.parse(value) as { error?: string; outputs: Wire[]; gradients: Wire[] };
    if (reply.error) throw new Error(`Python: ${reply.error} in ${expression}`);
    return { outputs: reply.outputs.map(fromWire), gradients: reply.gradients.map(fromWire) };
  }

  async close(): Promise<void> {
    if (!this.#server) return;
    this.#server.stdin.end();
    await once(this.#server, "exit");
    this.#reader?.close();
  }

  #start() {
    if (!this.#server) {
      this.#server = spawn(interpreter(this.#modules), ["-c", SERVER], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      this.#reader = createInterface({ input: this.#server.stdout });
      this.#lines = this.#reader[Symbol.asyncIterator]();
    }
    return { server: this.#server, lines: this.#lines! };
  }
}
