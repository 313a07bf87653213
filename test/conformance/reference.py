"""Writes reference.json: what PyTorch, in float64, makes of the networks in networks.ts.

    /usr/bin/python3 test/conformance/reference.py

First weights, images and dropout masks are drawn as src/random.ts, src/nn/init.ts and src/train/step.ts do.
"""
import json
import math
import pathlib

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

CLASSES = 5
IMAGES = 8
BATCH = 4
STEPS = 3
# of the images; with it no ReLU and no pool is so close to a tie that float32 decides it otherwise than float64
SEED = 5
LR, MOMENTUM, DECAY = 0.003, 0.9, 5e-4


def mix(x):
    x = np.atleast_1d(np.asarray(x, np.uint32))  # arrays wrap around without a warning
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x21F0AAAD)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0xD35A2D97)
    return x ^ (x >> np.uint32(15))


def u32(x):
    return np.asarray(x % 2**32, np.uint32)


def bits(count, seed, *parts):
    """The first numbers of a key, as Random.bits gives them."""
    key = mix(u32(seed)) ^ mix(u32(seed // 2**32 + 0x9E3779B9))
    for part in parts:
        if isinstance(part, int):
            key = mix(key ^ mix(u32(part + 0x85EBCA6B)))
        else:
            for character in part:
                key = mix(key ^ u32(ord(character) + 0x9E3779B9))
    return mix(mix(np.arange(count, dtype=np.uint32) ^ key) + key)


def uniform(shape, low, high, seed, *parts):
    draws = (bits(math.prod(shape), seed, *parts) >> np.uint32(8)) / 2**24
    return torch.tensor((low + (high - low) * draws).astype(np.float32)).double().reshape(shape)


class Dropout(nn.Module):
    """Multiplies with the mask of the step, which is a function of the seed and the layer's path."""

    step = None  # none: no dropout
    path = ""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if Dropout.step is None:
            return x
        draws = bits(x.numel(), 0, Dropout.step, 0, f"dropout:{self.path}")
        kept = torch.tensor(draws >= round(self.p * 2**32)).reshape(x.shape)
        return x * kept * torch.tensor(1 / (1 - self.p)).float().double()


class BasicConv(nn.Module):
    def __init__(self, inputs, outputs, kernel, **options):
        super().__init__()
        conv = nn.Conv2d(inputs, outputs, kernel, bias=False, **options)
        self.conv = nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())

    def forward(self, x):
        return self.conv(x)


class Inception(nn.Module):
    def __init__(self, inputs, widths):
        super().__init__()
        conv1x1, reduce3x3, conv3x3, reduce5x5, conv5x5, pool = widths
        self.branch1 = BasicConv(inputs, conv1x1, 1)
        self.branch2 = nn.Sequential(BasicConv(inputs, reduce3x3, 1), BasicConv(reduce3x3, conv3x3, 3, padding=1))
        self.branch3 = nn.Sequential(BasicConv(inputs, reduce5x5, 1), BasicConv(reduce5x5, conv5x5, 5, padding=2))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), BasicConv(inputs, pool, 1))

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class AuxClf(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.feature_ = nn.Sequential(nn.AvgPool2d(5, 3), BasicConv(inputs, 128, 1))
        self.clf_ = nn.Sequential(nn.Linear(128, 1024), nn.ReLU(), Dropout(0.7), nn.Linear(1024, CLASSES))

    def forward(self, x):
        return self.clf_(self.feature_(x).flatten(1))


class SmallNiN(nn.Module):
    image = [3, 16, 16]

    def __init__(self):
        super().__init__()
        self.block1 = nn.Sequential(
            nn.Conv2d(3, 12, 5, padding=2), nn.ReLU(), nn.Conv2d(12, 8, 1), nn.ReLU(), nn.MaxPool2d(3, 2), Dropout(0.25)
        )
        self.block2 = nn.Sequential(
            nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, CLASSES, 1), nn.ReLU(), nn.AvgPool2d(7, 1), nn.Softmax(1)
        )

    def forward(self, x):
        return {"output": self.block2(self.block1(x))}


class SmallVgg(nn.Module):
    image = [3, 16, 16]

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2),
            nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            Dropout(0.5), nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, CLASSES), nn.Softmax(1)
        )

    def forward(self, x):
        return {"output": self.classifier(self.features(x).flatten(1))}


class SmallGoogLeNet(nn.Module):
    image = [3, 56, 56]

    def __init__(self):
        super().__init__()
        self.conv1 = BasicConv(3, 8, 7, stride=2, padding=3)
        self.conv2 = BasicConv(8, 8, 1)
        self.conv3 = BasicConv(8, 12, 3, padding=1)
        self.inception3a = Inception(12, [4, 6, 8, 2, 4, 2])
        self.inception4a = Inception(18, [6, 4, 8, 2, 4, 4])
        self.aux1 = AuxClf(22)
        self.inception4b = Inception(22, [4, 6, 10, 2, 4, 6])
        self.aux2 = AuxClf(24)
        self.dropout = Dropout(0.4)
        self.fc = nn.Linear(24, CLASSES)

    def forward(self, x):
        pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        x = F.local_response_norm(pool(self.conv1(x)), 5, alpha=0.5)
        x = pool(self.inception3a(self.conv3(self.conv2(x))))
        x = self.inception4a(x)
        aux1 = self.aux1(x)
        x = self.inception4b(x)
        aux2 = self.aux2(x)
        x = pool(x)
        return {"logits": self.fc(self.dropout(x.mean([2, 3]))), "aux2": aux2, "aux1": aux1}


def initialize(model):
    """PyTorch's default draw, from our generator: ±1/√fan-in; batch normalization starts with ones and zeros."""
    shapes = {key: list(value.shape) for key, value in model.named_parameters()}
    for key, parameter in model.named_parameters():
        weight = shapes[key.rsplit(".", 1)[0] + ".weight"]
        if len(weight) > 1:
            bound = 1 / math.sqrt(math.prod(weight[1:]))
            parameter.data = uniform(shapes[key], -bound, bound, 1, key)
    for path, module in model.named_modules():
        if isinstance(module, Dropout):
            module.path = path


def loss_of(outputs, labels):
    total = 0
    for name, output in outputs.items():
        scores = output.flatten(1)
        log = scores.log() if name == "output" else F.log_softmax(scores, 1)
        total = total + (0.3 if name.startswith("aux") else 1) * F.nll_loss(log, labels)
    return total


def reference(make):
    model = make().double()
    initialize(model)
    images = uniform([IMAGES, *model.image], -1, 1, SEED, "images")
    labels = torch.tensor((bits(IMAGES, SEED, "labels") / 2**32 * CLASSES).astype(np.int64))

    Dropout.step = None
    with torch.no_grad():
        outputs = {name: output.flatten().tolist() for name, output in model.eval()(images).items()}

    optimizer = torch.optim.SGD(model.train().parameters(), LR, MOMENTUM, weight_decay=DECAY)
    losses, correct = [], []
    for step in range(STEPS):
        Dropout.step = step + 1
        batch = slice(step % 2 * BATCH, step % 2 * BATCH + BATCH)
        results = model(images[batch])
        main = next(iter(results.values())).flatten(1)
        loss = loss_of(results, labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        correct.append(int((main.argmax(1) == labels[batch]).sum()))
    norms = {key: value.double().norm().item() for key, value in model.state_dict().items()}
    return {"outputs": outputs, "losses": losses, "correct": correct, "norms": norms}


def operators():
    """What some engine was found to get wrong, or lacks."""
    x = lambda name, *shape: uniform(shape, -1, 1, SEED, name)
    image = x("image", 2, 6, 5, 5)
    outputs = {
        "conv": F.conv2d(image, x("conv", 8, 6, 3, 3), padding=1),
        "grouped": F.conv2d(image, x("grouped", 12, 3, 3, 3), stride=2, groups=2),
        "transposed": F.conv_transpose2d(image, x("transposed", 6, 1, 3, 3), stride=2, groups=3),
        "backwards": image[:, :, [3, 1]],
        "response": F.local_response_norm(image, 3, alpha=0.5),
        "log_softmax": F.log_softmax(image, 1),
        "sum": image + image.exp() + image.abs(),
    }
    return {name: output.flatten().tolist() for name, output in outputs.items()}


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.8g}") if isinstance(value, float) else value


networks = {"nin": SmallNiN, "vgg": SmallVgg, "googlenet": SmallGoogLeNet}
results = {"operators": operators(), **{name: reference(make) for name, make in networks.items()}}
text = json.dumps(rounded(results), indent=1)
pathlib.Path(__file__).with_name("reference.json").write_text(text + "\n")
