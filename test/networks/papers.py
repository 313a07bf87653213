"""Networks as papers describe them, for scripts that continue this one."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class PaperAlexNet(nn.Module):
    """Krizhevsky et al. 2012, for images of 99×99 and with a narrow classifier."""

    def __init__(self, hidden):
        super().__init__()
        layers = []
        for from_, to, kernel, options, normalized, pooled in [
            (3, 96, 11, dict(stride=4), True, True),
            (96, 256, 5, dict(padding=2, groups=2), True, True),
            (256, 384, 3, dict(padding=1), False, False),
            (384, 384, 3, dict(padding=1, groups=2), False, False),
            (384, 256, 3, dict(padding=1, groups=2), False, True),
        ]:
            layers += [nn.Conv2d(from_, to, kernel, **options), nn.ReLU()]
            # PyTorch divides alpha by the number of channels in the sum
            layers += [nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2)] if normalized else []
            layers += [nn.MaxPool2d(3, 2)] if pooled else []
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            *[nn.Linear(256 * 2 * 2, hidden), nn.ReLU(), nn.Dropout()],
            *[nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout()],
            nn.Linear(hidden, 1000),
        )

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class LeNet5(nn.Module):
    """LeCun et al. 1998, with dense connections, for color images."""

    def __init__(self):
        super().__init__()
        self.c1, self.c3, self.c5 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5), nn.Conv2d(16, 120, 5)
        self.f6, self.output = nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.avg_pool2d(self.c1(x).tanh(), 2)
        x = F.avg_pool2d(self.c3(x).tanh(), 2)
        return self.output(self.f6(self.c5(x).tanh().flatten(1)).tanh())


class CifarBlock(nn.Module):
    """He et al. 2016 with shortcuts of option A."""

    def __init__(self, before, width):
        super().__init__()
        self.before, self.width = before, width
        self.conv1 = nn.Conv2d(before, width, 3, width // before, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.before != self.width:
            zeros = x.new_zeros(x.shape[0], (self.width - self.before) // 2, *y.shape[2:])
            x = torch.cat([zeros, x[:, :, ::2, ::2], zeros], 1)
        return F.relu(x + y)


class CifarResNet(nn.Module):
    """He et al. 2016, section 4.2: 6n + 2 layers."""

    def __init__(self, n):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        for i, (before, width) in enumerate([(16, 16), (16, 32), (32, 64)]):
            blocks = [CifarBlock(before if j == 0 else width, width) for j in range(n)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))
