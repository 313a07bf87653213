"""Builds the networks that networks.ts describes, in PyTorch. Reads [task, cases] as JSON; answers with a JSON list."""

import json
import sys

import torch
from torch import nn


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * self.factor


class Branches(nn.Module):
    def __init__(self, parts):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        for i, part in enumerate(parts):
            setattr(self, f"branch{i}", part)

    def forward(self, x):
        return torch.cat([part(x) for part in self.children()], 1) * self.weight


class Twice(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x):
        return self.part(self.part(x))


class Loose(nn.Module):
    def __init__(self, parts):
        super().__init__()
        self.layers = nn.Sequential(*parts)

    def forward(self, x):
        for part in self.layers:
            x = part(x)
        return x


class Spare(nn.Module):
    def __init__(self, part, spare):
        super().__init__()
        self.part = part
        self.spare = spare

    def forward(self, x):
        return self.part(x)


def chain(parts, channels):
    modules = []
    for part in parts:
        module, channels = build(part, channels)
        modules.append(module)
    return modules, channels


def build(part, channels):
    """The module, and how many channels come out where so many come in."""
    kind = part["kind"]
    if kind == "conv":
        kernel = part["kernel"]
        conv = nn.Conv2d(channels, part["out"], kernel, part["stride"], kernel // 2, bias=part["bias"])
        return conv.requires_grad_(not part["frozen"]), part["out"]
    if kind in ("maxpool", "avgpool"):
        pool = nn.MaxPool2d if kind == "maxpool" else nn.AvgPool2d
        return pool(part["kernel"], part["stride"], part["kernel"] // 2), channels
    if kind == "norm":
        return nn.BatchNorm2d(channels), channels
    if kind in ("sequential", "loose"):
        modules, width = chain(part["parts"], channels)
        return nn.Sequential(*modules) if kind == "sequential" else Loose(modules), width
    if kind == "branches":
        built = [build(each, channels) for each in part["parts"]]
        return Branches([module for module, _ in built]), sum(width for _, width in built)
    if kind == "twice":
        return Twice(build(part["part"], channels)[0]), channels
    if kind == "spare":
        module, width = build(part["part"], channels)
        return Spare(module, build(part["spare"], channels)[0]), width
    return {"relu": nn.ReLU, "dropout": nn.Dropout, "identity": nn.Identity, "scale": Scale}[kind](), channels


def network(parts, classes, input):
    features, width = build({"kind": "sequential", "parts": parts}, input[1])
    if classes is None:
        return features
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def table(case):
    """torchinfo's table of a network."""
    from torchinfo import summary

    model = network(**case["network"]).eval()
    options = {"device": "cpu", "depth": case["depth"], "col_names": case["columns"], "row_settings": case["rows"]}
    return str(summary(model, tuple(case["network"]["input"]), verbose=0, **options))


def field(case):
    """Rows and columns of the image between the outermost that a pixel in the middle of the output depends on."""
    model = network(**case).double()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 1)
    x = torch.ones(case["input"], dtype=torch.float64, requires_grad=True)
    y = model(x)
    y[0, :, y.shape[2] // 2, y.shape[3] // 2].sum().backward()
    used = x.grad[0].abs().sum(0) > 0
    spans = [used.any(axis).nonzero().flatten() for axis in (1, 0)]
    return [int(span.max() - span.min()) + 1 for span in spans]


if __name__ == "__main__":
    task, cases = json.load(sys.stdin)
    torch.set_num_threads(1)
    print(json.dumps([{"table": table, "field": field}[task](case) for case in cases]))
