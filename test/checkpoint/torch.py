"""Writes files with torch.save and reads ours with torch.load; prints what each holds, tensors as hashes of their bits.

    python3 torch.py FOLDER
"""

import collections
import copyreg
import ctypes
import hashlib
import json
import os
import sys

import torch

folder = sys.argv[1]
OrderedDict = collections.OrderedDict


def facts(tensor):
    tensor = tensor.detach().contiguous()
    bits = ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else b""
    return [str(tensor.dtype).removeprefix("torch."), list(tensor.shape), hashlib.sha256(bits).hexdigest()]


def flat(value, prefix=""):
    if isinstance(value, torch.Tensor):
        return {prefix: facts(value)}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else []
    return {k: v for key, inner in items for k, v in flat(inner, f"{prefix}.{key}" if prefix else str(key)).items()}


def in_float32(state):
    return {key: t.float() if t.dtype.is_floating_point else t for key, t in state.items()}


def random_bits(shape, dtype):
    """Every bit at random, so that NaNs, infinities and subnormals are among them."""
    size = torch.tensor([], dtype=dtype).element_size()
    count = int(torch.tensor(shape).prod()) if shape else 1
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, dtype=torch.uint8).bool()
    return torch.randint(0, 256, (count * size,), dtype=torch.uint8).view(dtype).reshape(shape)


torch.manual_seed(0)
types = "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()
all_types = OrderedDict()
for name in types:
    for shape in [(), (1,), (0,), (3, 0, 2), (2, 3, 4, 5)]:
        all_types[f"{name}.{'x'.join(map(str, shape))}"] = random_bits(shape, getattr(torch, name))

base = random_bits((6, 8, 10), torch.float32)
half = random_bits((4, 6), torch.float16)
views = OrderedDict(
    base=base,
    row=base[2],
    middle=base[1:3],
    transposed=base.transpose(0, 2),
    permuted=base.permute(1, 2, 0),
    strided=base[::2, 1::3, ::4],
    diagonal=base.diagonal(dim1=0, dim2=1),
    expanded=base[0, 0, :3].expand(5, 3),
    windows=base[0, 0].unfold(0, 4, 2),
    single=base[3:4, :, 2:3],
    channels_last=random_bits((4, 3, 5, 5), torch.float32).contiguous(memory_format=torch.channels_last),
    half=half,
    half_columns=half.t(),
    wide=random_bits((3, 4), torch.int64).t(),
    narrow=random_bits((5, 4), torch.uint8)[:, 1::2],
    tied=base,
)

module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
for parameter in module.parameters():
    parameter.grad = torch.randn_like(parameter)
optimizer.step()
state = module.state_dict()
wrapped = {"epoch": 7, "best": 0.5, "arch": "tiny", "blob": b"\x00\xff", "args": None, "optimizer": optimizer.state_dict()}
nested = {"encoder": state, "heads": [state["0.bias"], (state["0.weight"], {"deep": state["2.weight"]})]}

expected = {}


def save(name, value, weights, **options):
    torch.save(value, os.path.join(folder, name), **options)
    loaded = torch.load(os.path.join(folder, name), weights_only=False)
    for part in weights["key"].split(".") if weights.get("key") else []:
        loaded = loaded[part]
    expected[name] = {"tensors": flat(loaded), **weights}


forms = {"zip": {}, "stream": {"_use_new_zipfile_serialization": False}, "protocol4": {"pickle_protocol": 4}}
for form, options in forms.items():
    save(f"{form}-types.pth", all_types, {"float32": flat(in_float32(all_types))}, **options)
    save(f"{form}-views.pth", views, {"float32": flat(in_float32(views))}, **options)
    save(f"{form}-module.pth", state, {}, **options)
    save(f"{form}-parameters.pth", dict(module.named_parameters()), {}, **options)
    save(f"{form}-nested.pth", nested, {}, **options)
    save(f"{form}-half.pth", {k: t.half() if t.is_floating_point() else t for k, t in state.items()}, {}, **options)
    for key in ["state_dict", "model", "model_state_dict"]:
        meta = {"epoch": "7", "best": "0.5", "arch": "tiny"}
        save(f"{form}-{key}.pth", {**wrapped, key: state}, {"key": key, "metadata": meta}, **options)

# What PyTorch wrote before 0.4, of which torchvision's first files are: tensors and parameters reduced in other ways.
current = torch.Tensor.__reduce_ex__, torch.nn.Parameter.__reduce_ex__
parts = lambda t: (t.storage(), t.storage_offset(), tuple(t.size()), t.stride())
new_parameter = lambda *args: (copyreg.__newobj__, (torch.nn.Parameter, *args))
tensors = {
    "function": lambda t, _: (torch._utils._rebuild_tensor, parts(t)),
    "class": lambda t, _: (torch.FloatTensor, (), parts(t)),
    "subclass": lambda t, _: (
        torch._tensor._rebuild_from_type_v2,
        (torch._utils._rebuild_tensor_v2, torch.Tensor, (*parts(t), False, OrderedDict()), {}),
    ),
}
parameters = {
    "argument": lambda p, _: (*new_parameter(p.data), (True, False, OrderedDict())),
    "state": lambda p, _: (*new_parameter(), (p.data, None, OrderedDict(), True, False)),
}
for tensor_way, reduce_tensor in tensors.items():
    for parameter_way, reduce_parameter in parameters.items():
        torch.Tensor.__reduce_ex__, torch.nn.Parameter.__reduce_ex__ = reduce_tensor, reduce_parameter
        try:
            weights = OrderedDict(buffer=base[1], **{k.replace(".", "_"): p for k, p in module.named_parameters()})
            save(f"old-{tensor_way}-{parameter_way}.pth", weights, {}, _use_new_zipfile_serialization=False)
        finally:
            torch.Tensor.__reduce_ex__, torch.nn.Parameter.__reduce_ex__ = current

try:
    import torchvision

    network = torchvision.models.googlenet(weights=None, init_weights=False)
    save("googlenet-zip.pth", network.state_dict(), {})
    save("googlenet-stream.pth", network.state_dict(), {}, _use_new_zipfile_serialization=False)
except ImportError:
    pass

ours = {}
for name in sorted(os.listdir(folder)):
    if name.startswith("ours"):
        path = os.path.join(folder, name)
        safe, unsafe = torch.load(path, weights_only=True), torch.load(path, weights_only=False)
        ours[name] = {
            "type": type(safe).__name__,
            "tensors": flat(safe),
            "unrestricted": flat(unsafe),
            "contiguous": all(t.is_contiguous() for t in safe.values()),
            "storages": len({t.storage().data_ptr() for t in safe.values() if t.numel()}),
        }
print(json.dumps({"expected": expected, "ours": ours}))
