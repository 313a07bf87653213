"""Makes weight files of a network and reads ours, as interchange.parity.test.ts asks. Argument: the folder of note_models.py.

Tensors are told by type, shape and hash of their bits.
"""

import hashlib
import json
import sys

import numpy as np
import torch
import torch.nn as nn

sys.path.insert(0, sys.argv[1])
torch.set_num_threads(1)
# initial weights are replaced at once, and to make them takes long
for name in ("kaiming_uniform_", "kaiming_normal_", "trunc_normal_", "normal_", "uniform_"):
    setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)

TYPES = {"F32": "float32", "I64": "int64"}


def facts(array):
    return [array.dtype.name, list(array.shape), hashlib.sha256(np.ascontiguousarray(array)).hexdigest()]


def torchvision_vgg(name, hidden):
    """For images of 32×32, with a narrow classifier."""
    import torchvision

    model = getattr(torchvision.models, name)(num_classes=10)
    model.classifier[0] = nn.Linear(512, hidden)
    model.classifier[3] = nn.Linear(hidden, hidden)
    model.classifier[6] = nn.Linear(hidden, 10)
    return model


def torchvision_network(name):
    import torchvision

    return getattr(torchvision.models, name)(num_classes=10)


def torchvision_googlenet():
    import torchvision

    return torchvision.models.googlenet(num_classes=10, init_weights=False)


def note(name, *args):
    import note_models

    model = getattr(note_models, name)(*args)
    if name == "VGG16":
        model.clf_part[1] = nn.Linear(512, 4096)
    return model


def state_of(model, shapes):
    state = eval(model).state_dict() if model else {
        key: torch.zeros(shape, dtype=torch.int64 if key.endswith("num_batches_tracked") else torch.float32) for key, shape in shapes
    }
    for key, value in state.items():
        if value.is_floating_point():
            state[key] = torch.rand(value.shape) - 0.5
        else:
            state[key] = torch.tensor(7)
    return state


def save_safetensors(path, state):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    codes = {name: code for code, name in TYPES.items()}
    for key, value in state.items():
        array = value.numpy()
        header[key] = {"dtype": codes[array.dtype.name], "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for value in state.values():
            file.write(np.ascontiguousarray(value.numpy()))


def load_safetensors(path):
    data = np.memmap(path, np.uint8, "r")
    end = 8 + int.from_bytes(data[:8].tobytes(), "little")
    header = json.loads(data[8:end].tobytes())
    header.pop("__metadata__", None)
    arrays = {}
    for key, info in header.items():
        begin, stop = info["data_offsets"]
        arrays[key] = data[end + begin : end + stop].view(TYPES[info["dtype"]]).reshape(info["shape"])
    return arrays


def make(folder, seed, model, shapes):
    torch.manual_seed(seed)
    state = state_of(model, shapes)
    torch.save(state, folder + "/zip.pth")
    torch.save(state, folder + "/stream.pth", _use_new_zipfile_serialization=False)
    save_safetensors(folder + "/theirs.safetensors", state)
    return {key: facts(value.numpy()) for key, value in state.items()}


def read(folder, files):
    answer = {}
    for file in files:
        path = folder + "/" + file
        if file.endswith(".onnx"):
            import onnx
            import onnx.numpy_helper

            model = onnx.load(path)
            arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        elif file.endswith(".safetensors"):
            arrays = load_safetensors(path)
        else:
            arrays = {key: value.numpy() for key, value in torch.load(path, weights_only=True).items()}
        answer[file] = {key: facts(array) for key, array in arrays.items()}
    return answer


serve(lambda question: {"make": make, "read": read}[question.pop("do")](**question))
