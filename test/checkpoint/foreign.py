"""Writes checkpoints as people write them, and prints what each holds, tensors as hashes of their bits.

    python3 foreign.py FOLDER
"""

import argparse
import collections
import ctypes
import dataclasses
import enum
import hashlib
import io
import json
import os
import pickle
import struct
import sys
import tarfile

import numpy
import torch
from torch import nn

folder = sys.argv[-1]
expected = {}


def facts(tensor):
    tensor = tensor.detach().contiguous()
    bits = ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else b""
    return [str(tensor.dtype).replace("torch.", ""), list(tensor.shape), hashlib.sha256(bits).hexdigest()]


def path(name):
    return os.path.join(folder, name)


def expect(name, state, **more):
    expected[name] = {"tensors": {key: facts(tensor) for key, tensor in state.items()}, **more}


def save(name, value, state, form={}, **more):
    torch.save(value, path(name), **form)
    expect(name, state, **more)


class Kind(enum.Enum):
    small = 1


@dataclasses.dataclass
class Settings:
    lr: float = 0.5
    kind: Kind = Kind.small


class Config(dict):
    pass


def augment(x):
    return x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.fc = nn.Linear(4, 2)
        self.register_buffer("scale", torch.ones(3))
        self.register_buffer("cache", torch.zeros(7), persistent=False)
        self.note = {"any": torch.ones(2)}

    def forward(self, x):
        return self.fc(self.features(x).mean([2, 3]))


torch.manual_seed(0)
net = Net().eval()
state = net.state_dict()
adam = torch.optim.Adam(net.parameters())
net(torch.randn(2, 3, 8, 8)).sum().backward()
adam.step()
state = net.state_dict()
other = {key: value + 1 for key, value in state.items()}
old = {"_use_new_zipfile_serialization": False}
prefixed = lambda prefix, weights=state: {prefix + key: value for key, value in weights.items()}

# Whole modules, and classes beside the weights.
for form, options in {"zip": {}, "stream": old, "protocol4": {"pickle_protocol": 4}}.items():
    save(f"{form}-module.pth", net, state, options, unknown=["__main__.Net"])
    save(f"{form}-optimizer.pth", {"epoch": 3, "state_dict": state, "optimizer": adam}, state, options, key="state_dict")
save("ultralytics.pt", {"epoch": 1, "model": net, "ema": None, "train_args": {"lr0": 0.1}, "date": "today"}, state)
save("ultralytics-ema.pt", {"model": None, "ema": net, "updates": 7, "optimizer": adam.state_dict()}, state)
save("parameters.pth", nn.ParameterDict({"a": nn.Parameter(torch.randn(3)), "b": nn.Parameter(torch.randn(2, 2))}), {})
loaded = torch.load(path("parameters.pth"), weights_only=False) if torch.__version__ >= "2" else torch.load(path("parameters.pth"))
expect("parameters.pth", dict(loaded.named_parameters()))

# Settings of all kinds beside them.
args = argparse.Namespace(lr=0.25, arch="tiny", layers=[1, 2], kind=Kind.small)
beside = {
    "args": args,
    "settings": Settings(),
    "kind": Kind.small,
    "config": Config(depth=3),
    "augment": augment,
    "classes": ["cat", "dog"],
    "best": numpy.float64(0.75),
    "step": numpy.int64(12),
    "random": numpy.random.get_state(),
    "names": {"a", "b"},
    "frozen": frozenset([1]),
    "counts": collections.Counter("aab"),
    "big": 2**70,
    "device": torch.device("cpu"),
    "dtype": torch.float16,
    "size": torch.Size([1, 2]),
}
metadata = {"best": "0.75", "step": "12", "args.lr": "0.25", "args.arch": "tiny", "classes": '["cat","dog"]'}
for protocol in [2, 3, 4, 5]:
    save(f"settings-{protocol}.pth", {**beside, "model": state}, state, {"pickle_protocol": protocol}, metadata=metadata)

# Several sets.
save("ema.pth", {"model": state, "ema": other, "optimizer": adam.state_dict()}, state, sets=["model", "ema"])
save("timm.pth", {"state_dict": state, "state_dict_ema": other, "args": args}, state, sets=["state_dict", "state_dict_ema"])
save("gan.pth", {"generator": state, "discriminator": {"w": torch.ones(2)}, "optG": adam.state_dict()},
     {**prefixed("generator."), "discriminator.w": torch.ones(2)}, sets=["", "generator", "discriminator"])
save("fastai.pth", {"model": state, "opt": adam.state_dict()}, state, key="model")
save("cifar.pth", {"net": state, "acc": 93.1, "epoch": 2}, state, key="net", metadata={"acc": "93.1"})
hyper = Config(lr=0.1)
hyper.note = "x"
lightning = {
    "epoch": 1,
    "pytorch-lightning_version": "2.0",
    "state_dict": prefixed("model."),
    "optimizer_states": [adam.state_dict()],
    "callbacks": {"ModelCheckpoint{'monitor': 'val'}": {"best_model_score": torch.tensor(0.5)}},
    "loops": {"fit_loop": {"state_dict": {}}},
    "hyper_parameters": hyper,
}
save("lightning.ckpt", lightning, prefixed("model."), key="state_dict", sets=[])
save("mmcv.pth", {"meta": {"env": "Linux", "CLASSES": ("a", "b")}, "state_dict": prefixed("backbone.")}, prefixed("backbone."))

# TorchScript.
torch.jit.script(net).save(path("script.pt"))
expect("script.pt", {**state, "note.any": torch.ones(2), "cache": torch.zeros(7)}, loose=True)
torch.jit.trace(net, torch.zeros(1, 3, 8, 8)).save(path("traced.pt"))
expect("traced.pt", {key: value for key, value in state.items() if key != "scale"}, loose=True)

# Types.
base = torch.randn(4, 3, 2, 2)
channels = torch.quantize_per_channel(base, torch.rand(4) * 0.1 + 0.01, torch.tensor([0, 1, -2, 3]), 0, torch.qint8)
quantized = collections.OrderedDict(
    per_tensor=torch.quantize_per_tensor(base, 0.05, 3, torch.qint8),
    unsigned=torch.quantize_per_tensor(base, 0.03, 128, torch.quint8),
    wide=torch.quantize_per_tensor(base, 1e-5, 0, torch.qint32),
    per_channel=channels,
    channels_last=torch.quantize_per_tensor(base.contiguous(memory_format=torch.channels_last), 0.05, 0, torch.qint8),
    plain=base,
)
real = {key: value.dequantize() if value.is_quantized else value for key, value in quantized.items()}
save("quantized.pth", quantized, real)
integers = {"per_channel": channels.int_repr(), "per_channel_scale": channels.q_per_channel_scales().float()}
expected["quantized.pth"]["integers"] = {key: facts(value) for key, value in integers.items()}
if hasattr(torch, "float8_e4m3fn"):
    bits = torch.arange(256, dtype=torch.uint8)
    small = {name: bits.view(getattr(torch, name)) for name in dir(torch) if name.startswith("float8_e") and "e8m0" not in name}
    # a NaN has no bits of its own
    numbers = lambda value: value.float().nan_to_num(nan=0.0, posinf=float("inf"), neginf=float("-inf"))
    save("float8.pth", {**small, "half": torch.zeros(3).half(), "matrix": bits.view(16, 16).view(torch.float8_e5m2).t()},
         {**{name: numbers(value) for name, value in small.items()}, "half": torch.zeros(3).half(),
          "matrix": numbers(bits.view(16, 16).view(torch.float8_e5m2).t())}, nans=True)
    save("unsigned.pth", {"a": torch.arange(6, dtype=torch.int32).to(torch.uint16)}, {"a": torch.arange(6, dtype=torch.int32).to(torch.uint16)})
mixed = {
    "w": base,
    "sparse": torch.eye(3).to_sparse(),
    "rows": torch.eye(3).to_sparse_csr(),
    "complex": torch.zeros(2, dtype=torch.complex64),
    "meta": torch.zeros(2, device="meta"),
}
save("left-out.pth", mixed, {"w": base}, notes=["sparse", "complex64", "meta tensor"])

# Python's own pickles.
with open(path("plain.pkl"), "wb") as file:
    pickle.dump({"model": state}, file)
expect("plain.pkl", state)
with open(path("module.pkl"), "wb") as file:
    pickle.dump(net, file, protocol=4)
expect("module.pkl", state)
arrays = {
    "float": numpy.arange(6, dtype="f4").reshape(2, 3),
    "fortran": numpy.asfortranarray(numpy.arange(6, dtype="f4").reshape(2, 3)),
    "big": numpy.arange(6, dtype=">f8"),
    "bool": numpy.array([True, False]),
    "empty": numpy.zeros((0, 3), dtype="f4"),
    "scalar": numpy.array(2, dtype="i4"),
}
tensors = {key: torch.from_numpy(numpy.ascontiguousarray(a).astype(a.dtype.newbyteorder("="))).reshape(a.shape) for key, a in arrays.items()}
for protocol in [2, 4, 5]:
    with open(path(f"arrays-{protocol}.pkl"), "wb") as file:
        pickle.dump({"model": arrays, "__author__": "x", "names": numpy.array(["a"])}, file, protocol=protocol)
    expect(f"arrays-{protocol}.pkl", tensors)


# The tar form, as PyTorch wrote it until 0.1.9: two storages, a view of the first, three tensors.
def tar_form(name, state):
    storages, tensors, ids = io.BytesIO(), io.BytesIO(), {}
    pickle.dump(len(state), storages, 2)
    pickle.dump(len(state), tensors, 2)
    for i, (key, value) in enumerate(state.items()):
        value = value.float().contiguous()
        pickle.dump((i, "cpu", torch.FloatStorage), storages, 2)
        storages.write(struct.pack("<q", value.numel()) + value.numpy().tobytes())
        # the first tensor uses its storage by way of a view of it
        ids[key] = 100 + i
        pickle.dump((100 + i, 50 if i == 0 else i, torch.FloatTensor), tensors, 2)
        tensors.write(struct.pack("<ii", value.dim(), 0))
        tensors.write(struct.pack(f"<{value.dim()}q", *value.shape) + struct.pack(f"<{value.dim()}q", *value.stride()))
        tensors.write(struct.pack("<q", 0))
    first = next(iter(state.values()))
    pickle.dump([(50, 0, 0, first.numel())], storages, 2)

    class Reference:
        def __init__(self, id):
            self.id = id

    class Pickler(pickle._Pickler):
        def persistent_id(self, value):
            return value.id if isinstance(value, Reference) else None

    pickled = io.BytesIO()
    Pickler(pickled, 2).dump(collections.OrderedDict((key, Reference(str(id))) for key, id in ids.items()))
    system = pickle.dumps({"protocol_version": 1000, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 8}}, 2)
    with tarfile.open(path(name), "w", format=tarfile.PAX_FORMAT) as tar:
        for part, data in [("sys_info", system), ("pickle", pickled.getvalue()), ("tensors", tensors.getvalue()), ("storages", storages.getvalue())]:
            info = tarfile.TarInfo(part)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    expect(name, {key: value.float() for key, value in state.items()})
    read = torch.load(path(name), weights_only=False) if torch.__version__ >= "2" else torch.load(path(name))
    assert all(torch.equal(read[key], value.float()) for key, value in state.items())


tar_form("old.tar", state)
print(json.dumps(expected))
