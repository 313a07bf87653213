"""The networks of the benchmark in PyTorch: those of the study note from its own code, the others written here."""

import os
import sys

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, os.environ.get("NOTE_MODELS", ""))


def conv_unit(i, o, kernel, act=nn.ReLU, **options):
    layers = [nn.Conv2d(i, o, kernel, bias=False, **options), nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, act(inplace=True)) if act else nn.Sequential(*layers)


def head(i, classes):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(i, classes))


def vgg_small():
    layers, i = [], 3
    for width in (32, "M", 64, "M", 128, "M", 128):
        if width == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(i, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            i = width
    return nn.Sequential(*layers, head(i, 10))


class Inception(nn.Module):
    def __init__(self, i, widths):
        super().__init__()
        o1, r3, o3, r5, o5, pool = widths
        self.branch1 = conv_unit(i, o1, 1)
        self.branch2 = nn.Sequential(conv_unit(i, r3, 1), conv_unit(r3, o3, 3, padding=1))
        self.branch3 = nn.Sequential(conv_unit(i, r5, 1), conv_unit(r5, o5, 5, padding=2))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv_unit(i, pool, 1))

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


def inception_small():
    def pool():
        return nn.MaxPool2d(3, stride=2, ceil_mode=True)

    return nn.Sequential(
        conv_unit(3, 32, 3, padding=1),
        pool(),
        Inception(32, (32, 32, 64, 16, 32, 32)),
        pool(),
        Inception(160, (48, 48, 96, 16, 32, 48)),
        Inception(224, (80, 80, 160, 24, 48, 48)),
        head(336, 10),
    )


class BasicBlock(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.body = nn.Sequential(
            conv_unit(i, o, 3, stride=stride, padding=1), conv_unit(o, o, 3, act=None, padding=1)
        )
        self.shortcut = nn.Identity() if i == o else conv_unit(i, o, 1, act=None, stride=stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.body(x) + self.shortcut(x))


def resnet18():
    stages = [BasicBlock(i, o, s) for i, o, s in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))]
    seconds = [BasicBlock(o, o, 1) for o in (64, 128, 256, 512)]
    blocks = [block for pair in zip(stages, seconds) for block in pair]
    stem = [conv_unit(3, 64, 7, stride=2, padding=3), nn.MaxPool2d(3, stride=2, padding=1)]
    return nn.Sequential(*stem, *blocks, head(512, 1000))


class InvertedResidual(nn.Module):
    def __init__(self, i, o, stride, expansion):
        super().__init__()
        hidden = i * expansion
        self.body = nn.Sequential(
            *([conv_unit(i, hidden, 1, nn.ReLU6)] if expansion > 1 else []),
            conv_unit(hidden, hidden, 3, nn.ReLU6, stride=stride, padding=1, groups=hidden),
            conv_unit(hidden, o, 1, act=None),
        )
        self.adds = stride == 1 and i == o

    def forward(self, x):
        return x + self.body(x) if self.adds else self.body(x)


def mobilenet_v2():
    layers, i = [conv_unit(3, 32, 3, nn.ReLU6, stride=2, padding=1)], 32
    rows = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for t, o, n, s in rows:
        for k in range(n):
            layers.append(InvertedResidual(i, o, s if k == 0 else 1, t))
            i = o
    return nn.Sequential(*layers, conv_unit(i, 1280, 1, nn.ReLU6), head(1280, 1000))


OWN = {
    "vgg_small": vgg_small,
    "inception_small": inception_small,
    "resnet18": resnet18,
    "mobilenet_v2": mobilenet_v2,
}


def network(name):
    """A network by name. Raises ImportError where the study note's code is not there."""
    if name in OWN:
        return OWN[name]()
    import note_models

    return {"vgg16": note_models.VGG16, "nin": note_models.NiN, "googlenet": note_models.GoogLeNet}[name]()


def training_loss(name, outputs, labels):
    """The loss of a step, auxiliary classifiers included."""

    def cross_entropy(y):
        y = y.flatten(1).float()
        # the study note's networks end in a softmax
        return F.nll_loss(y.log(), labels) if name in ("vgg16", "nin") else F.cross_entropy(y, labels)

    if name != "googlenet":
        return cross_entropy(outputs)
    main, aux2, aux1 = outputs
    return cross_entropy(main) + 0.3 * (cross_entropy(aux2) + cross_entropy(aux1))
