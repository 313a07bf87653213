"""One of each layer. Reads [{python, x, state}] as JSON; answers with a JSON list."""

import base64
import json
import sys

import numpy as np
import torch
from torch import nn

try:
    import torchinfo
except ImportError:
    torchinfo = None


def read(t):
    array = np.frombuffer(base64.b64decode(t["data"]), t["dtype"]).reshape(t["shape"])
    return torch.from_numpy(array.copy())


def write(value):
    array = np.ascontiguousarray(value.detach().numpy())
    return {"dtype": array.dtype.name, "shape": list(value.shape), "data": base64.b64encode(array).decode()}


def answer(case):
    layer = eval("nn." + case["python"], {"nn": nn})
    shapes = {key: list(value.shape) for key, value in layer.state_dict().items()}
    layer.load_state_dict({key: read(value) for key, value in case["state"].items()}, strict=True)
    state = {
        key: value + 0.2 * torch.rand_like(value) if value.is_floating_point() else value
        for key, value in layer.state_dict().items()
    }
    layer.load_state_dict(state)
    x = read(case["x"])
    table = None
    if torchinfo:
        columns = ["input_size", "output_size", "num_params", "kernel_size", "mult_adds"]
        table = str(torchinfo.summary(layer.eval(), tuple(x.shape), verbose=0, device="cpu", col_names=columns))
    evaluated = layer.eval()(x)
    if "Dropout" not in case["python"]:
        layer.train()
    trained = layer(x)
    updates = {key: value for key, value in layer.named_buffers() if key.startswith("running")}
    return {
        "shapes": shapes,
        "state": {key: write(value) for key, value in state.items()},
        "evaluated": write(evaluated),
        "trained": write(trained),
        "updates": {key: write(value) for key, value in updates.items()},
        "text": str(layer),
        "table": table,
    }


torch.manual_seed(0)
torch.set_num_threads(1)
print(json.dumps([answer(case) for case in json.load(sys.stdin)]))
