"""Compares what our network computed with PyTorch in float64, and tells by how much each result is off.

Argument: the folder of note_models.py. A question has the network as an expression, and folders that ours.ts wrote.
"""

import json
import os
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

sys.path.insert(0, sys.argv[1])
# another test runs at the same time
torch.set_num_threads(1)
# the weights are ours, and drawing others takes long
for name in ("kaiming_uniform_", "kaiming_normal_", "trunc_normal_", "normal_", "uniform_"):
    setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)


def read(path):
    """https://github.com/huggingface/safetensors: length of the header, JSON header, numbers. In float64 where they are real."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        numbers = bytearray(file.read())
    dtypes = {"F32": torch.float32, "I64": torch.int64}
    header.pop("__metadata__", None)
    tensors = {}
    for key, entry in header.items():
        start, end = entry["data_offsets"]
        dtype = dtypes[entry["dtype"]]
        tensor = torch.frombuffer(numbers, dtype=dtype, count=(end - start) // (4 if dtype is torch.float32 else 8), offset=start)
        tensors[key] = tensor.reshape(entry["shape"])
    return tensors


def note_vgg16(side):
    """The note's, whose classifier is made for 224×224, for smaller images."""
    import note_models

    class Small(note_models.VGG16):
        def forward(self, x):
            return self.clf_part(self.feature_part(x).flatten(1))

    model = Small()
    model.clf_part[1] = nn.Linear(512 * (side // 32) ** 2, 4096)
    return model


def note(name):
    import note_models

    return getattr(note_models, name)()


def torchvision_model(name, **options):
    import torchvision

    builder = getattr(torchvision.models, name)
    try:
        return builder(init_weights=False, **options)
    except TypeError:  # those that have no slow way to draw weights
        return builder(**options)


def inception_aux(channels, classes):
    from torchvision.models.inception import InceptionAux

    return InceptionAux(channels, classes)


def narrow_vgg(name, hidden):
    model = torchvision_model(name)
    model.classifier[0] = nn.Linear(512 * 7 * 7, hidden)
    model.classifier[3] = nn.Linear(hidden, hidden)
    model.classifier[6] = nn.Linear(hidden, 1000)
    return model


def narrow_alexnet(hidden):
    model = torchvision_model("alexnet")
    model.classifier[1] = nn.Linear(256 * 6 * 6, hidden)
    model.classifier[4] = nn.Linear(hidden, hidden)
    model.classifier[6] = nn.Linear(hidden, 1000)
    return model


def short_densenet():
    model = torchvision_model("densenet121")
    model.features = model.features[:7]
    model.features.add_module("norm5", nn.BatchNorm2d(512))
    model.classifier = nn.Linear(512, 1000)
    return model


def outputs_of(model, x):
    """By name. The note's model returns (main, aux2, aux1), and torchvision's names its two the wrong way round: hooks know."""
    heads = {}
    hooks = [
        module.register_forward_hook(lambda _module, _input, y, name=name.replace("AuxLogits", "aux"): heads.update({name: y}))
        for name, module in model.named_children()
        if name.lower().startswith("aux")
    ]
    y = model(x)
    for hook in hooks:
        hook.remove()
    if not hooks and type(model).__name__ != "Inception3":
        return {"output": y}
    return {"logits": y[0] if isinstance(y, tuple) else y, **{name: heads[name] for name in sorted(heads, reverse=True)}}


def off(ours, theirs, size=0):
    """Norm of the difference, as a share of the norm of what is right, or of `size` where that is larger."""
    assert ours.shape == theirs.shape, f"{list(ours.shape)} instead of {list(theirs.shape)}"
    norm = max(theirs.norm().item(), size)
    return 0 if norm == 0 else (ours - theirs).norm().item() / norm


class Kinks:
    """ReLU, ReLU6, Hardswish, Hardsigmoid and max pooling that take, for each value, the side that ours took: x·(y > 0), and the
    winners of our pool.

    Given the sides, a network is smooth, and rounding changes it by little. That the sides are right is checked as well: wherever
    they differ from those of float64, so little that rounding explains it.
    """

    before = {name: getattr(F, name) for name in ("relu", "hardtanh", "hardswish", "hardsigmoid", "max_pool2d")}

    def __init__(self, ours):
        self.ours = ours
        self.counts = {"Relu": 0, "Clip": 0, "HardSwish": 0, "HardSigmoid": 0, "MaxPool": 0}
        self.activations, self.flips = {}, {}

    def __enter__(self):
        replaced = (self.relu, self.relu6, self.hardswish, self.hardsigmoid, self.pool)
        for name, function in zip(self.before, replaced):
            setattr(F, name, function)
        return self

    def __exit__(self, *_):
        for name, function in self.before.items():
            setattr(F, name, function)
        for op, count in self.counts.items():
            assert f"{op}:{count}" not in self.ours, f"PyTorch has {count} calls of {op}, ours has more"

    def next(self, op):
        name = f"{op}:{self.counts[op]}"
        self.counts[op] += 1
        return name, self.ours[name].double()

    def checked(self, name, y, exact):
        self.flips[name] = ((y - exact).abs().max() / exact.square().mean().sqrt()).item()
        return y

    def relu(self, x, inplace=False):
        name, ours = self.next("Relu")
        y = x * (ours > 0)
        self.activations[name] = off(ours, y.detach())
        return self.checked(name, y, x.detach().clamp(min=0))

    def relu6(self, x, low, high, inplace=False):
        name, ours = self.next("Clip")
        y = x * ((ours > low) & (ours < high)) + high * (ours == high)
        self.activations[name] = off(ours, y.detach())
        return self.checked(name, y, x.detach().clamp(low, high))

    def hardswish(self, x, inplace=False):
        name, ours = self.next("HardSwish")
        self.activations[name] = off(ours, x.detach())
        y = x * (ours >= 3) + x * (x + 3) / 6 * ((ours > -3) & (ours < 3))
        return self.checked(name, y, Kinks.before["hardswish"](x.detach()))

    def hardsigmoid(self, x, inplace=False):
        name, ours = self.next("HardSigmoid")
        y = (x / 6 + 0.5) * ((ours > 0) & (ours < 1)) + (ours == 1)
        self.activations[name] = off(ours, y.detach())
        return self.checked(name, y, Kinks.before["hardsigmoid"](x.detach()))

    def pool(self, x, *args, return_indices=False, **options):
        name, ours = self.next("MaxPool")
        self.activations[name] = off(ours, x.detach())
        _, winners = Kinks.before["max_pool2d"](ours, *args, **options, return_indices=True)
        y = x.flatten(2).gather(2, winners.flatten(2)).reshape(winners.shape)
        return self.checked(name, y, Kinks.before["max_pool2d"](x.detach(), *args, **options))


def compare(expression, folder):
    model = eval(expression)
    for module in model.modules():
        if isinstance(module, nn.Dropout) or type(module).__name__ == "StochasticDepth":
            module.p = 0
    model.load_state_dict(read(f"{folder}/start.safetensors"))

    evaluated = read(f"{folder}/evaluated.safetensors")
    # in float64 where that does not take gigabytes
    if sum(parameter.numel() for parameter in model.parameters()) < 5e7:
        model.double()
        evaluated = {name: value.double() for name, value in evaluated.items()}
    with torch.no_grad():
        outputs = outputs_of(model.eval(), evaluated.pop("input"))
    assert set(outputs) == set(evaluated), f"outputs {sorted(evaluated)} instead of {sorted(outputs)}"
    found = {"outputs": {name: off(evaluated[name], y) for name, y in outputs.items()}}
    if os.path.exists(f"{folder}/settings.json"):
        with open(f"{folder}/settings.json") as file:
            found.update(compare_training(model.double().train(), folder, **json.load(file)))
    return found


def compare_training(model, folder, steps, lr, momentum, weight_decay):
    found = {key: {} for key in ("losses", "scores", "activations", "flips", "gradients", "state")}
    parameters = dict(model.named_parameters())
    start = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay)
    for step in range(1, steps + 1):
        ours = read(f"{folder}/step{step}.safetensors")
        optimizer.zero_grad()
        with Kinks(ours) as kinks:
            outputs = outputs_of(model, ours["input"].double())
        loss = 0
        for i, (name, y) in enumerate(outputs.items()):
            y = y.flatten(1)
            scores = y.log() if "Softmax" in str(model) else F.log_softmax(y, 1)
            found["scores"][f"{name}, step {step}"] = off(ours[f"LogSoftmax:{i}"].double().flatten(1), scores.detach())
            loss = loss + (0.3 if name.startswith("aux") else 1) * F.nll_loss(scores, ours["labels"])
        loss.backward()
        found["losses"][f"step {step}"] = off(ours["loss"].double(), loss.detach())
        for kind in ("activations", "flips"):
            found[kind].update({f"{name}, step {step}": share for name, share in getattr(kinks, kind).items()})
        if step == 1:
            found["gradients"] = compare_gradients(read(f"{folder}/first.safetensors"), parameters, weight_decay)
        optimizer.step()

    last = read(f"{folder}/last.safetensors")
    wanted = dict(model.state_dict())
    for key, parameter in parameters.items():
        wanted[f"momentum_buffer:{key}"] = optimizer.state[parameter]["momentum_buffer"]
    assert set(last) == set(wanted), f"the state differs in {sorted(set(last) ^ set(wanted))}"
    for key, value in wanted.items():
        if key.startswith("momentum_buffer:"):
            found["state"][key] = off(last[key], value, rounding_size(value, wanted, key))
        else:
            # of weights, how far they moved; float32 rounds all of each, which matters where that is not far
            moved = [tensor.double() - start[key] for tensor in (last[key], value)]
            found["state"][key] = off(*moved, 4e-3 * value.double().norm().item())
    return found


def compare_gradients(first, parameters, weight_decay):
    """After a first step, the momentum is the gradient with the decay. Nothing moved yet: parameters are those of the start."""
    gradients = {key: parameter.grad for key, parameter in parameters.items()}
    shares = {}
    for key, gradient in gradients.items():
        ours = first[f"momentum_buffer:{key}"].double() - weight_decay * parameters[key].detach()
        shares[key] = off(ours, gradient, rounding_size(gradient, gradients, key))
    return shares


def rounding_size(gradient, gradients, key):
    """The gradient of a bias is zero where batch normalization follows; rounding then has to be measured by that of the weight."""
    weight = gradients.get(key[: -len("bias")] + "weight") if key.endswith("bias") else None
    return 0 if weight is None else 5e-2 * weight.norm().item()


serve(lambda question: [compare(question["expression"], folder) for folder in question["folders"]])
