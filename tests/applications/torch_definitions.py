"""The networks of ``cnnfast.applications`` written in torch, from the papers and independently.

Modules carry the names of our layers, so that weights are copied by name. Flattening goes through
(height, width, channels), so that dense kernels need no reordering. All give logits.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Named(nn.Module):
    """Modules by name; ``self("conv1", x)`` applies one."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleDict()

    def __call__(self, *arguments):
        if isinstance(arguments[0], str):
            return self.parts[arguments[0]](arguments[1])
        return super().__call__(*arguments)

    def conv(self, name, channels, filters, size, stride=1, padding=0, bias=True):
        self.parts[name] = nn.Conv2d(channels, filters, size, stride, padding, bias=bias)

    def conv_bn(self, name, channels, filters, size, stride=1, bn=True):
        self.conv(f"{name}_conv", channels, filters, size, stride, size // 2, bias=not bn)
        if bn:
            self.parts[f"{name}_bn"] = nn.BatchNorm2d(filters, eps=1e-5, momentum=0.1)

    def apply_conv_bn(self, name, x):
        x = self(f"{name}_conv", x)
        return self(f"{name}_bn", x) if f"{name}_bn" in self.parts else x

    def dense(self, name, features, units):
        self.parts[name] = nn.Linear(features, units)


def flat(x):
    return x.permute(0, 2, 3, 1).flatten(1)


class LeNet5(Named):
    def __init__(self, names, channels=1, classes=10, padding=0):
        super().__init__()
        self.names = names  # our LeNet-5 leaves naming to the layers
        c1, c3, c5, f6, out = names
        self.conv(c1, channels, 6, 5, padding=padding)
        self.conv(c3, 6, 16, 5)
        self.dense(c5, 400, 120)
        self.dense(f6, 120, 84)
        self.dense(out, 84, classes)

    def forward(self, x):
        c1, c3, c5, f6, out = self.names
        x = F.avg_pool2d(torch.tanh(self(c1, x)), 2)
        x = F.avg_pool2d(torch.tanh(self(c3, x)), 2)
        return self(out, torch.tanh(self(f6, torch.tanh(self(c5, flat(x))))))


class AlexNet(Named):
    def __init__(self, classes, torchvision=False, lrn=False, last=1):
        super().__init__()
        self.lrn = lrn
        a, b, c, d, e = (64, 192, 384, 256, 256) if torchvision else (96, 256, 384, 384, 256)
        self.conv("conv1", 3, a, 11, 4, 2 if torchvision else 0)
        self.conv("conv2", a, b, 5, padding=2)
        self.conv("conv3", b, c, 3, padding=1)
        self.conv("conv4", c, d, 3, padding=1)
        self.conv("conv5", d, e, 3, padding=1)
        self.dense("fc6", e * last * last, 4096)
        self.dense("fc7", 4096, 4096)
        self.dense("predictions", 4096, classes)

    def normalised(self, x):
        # torch divides alpha by the number of neighbours.
        return F.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0) if self.lrn else x

    def forward(self, x):
        x = F.max_pool2d(self.normalised(F.relu(self("conv1", x))), 3, 2)
        x = F.max_pool2d(self.normalised(F.relu(self("conv2", x))), 3, 2)
        for name in ("conv3", "conv4", "conv5"):
            x = F.relu(self(name, x))
        x = flat(F.max_pool2d(x, 3, 2))
        return self("predictions", F.relu(self("fc7", F.relu(self("fc6", x)))))


class VGG(Named):
    def __init__(self, configuration, classes, last=1):
        """``configuration``: filters, and "M" for a pooling, as torchvision writes it."""
        super().__init__()
        self.order = []
        channels, block, number = 3, 1, 1
        for entry in configuration:
            if entry == "M":
                self.order.append("M")
                block, number = block + 1, 1
                continue
            name = f"block{block}_conv{number}"
            self.conv(name, channels, entry, 3, padding=1)
            self.order.append(name)
            channels, number = entry, number + 1
        self.dense("fc1", channels * last * last, 4096)
        self.dense("fc2", 4096, 4096)
        self.dense("predictions", 4096, classes)

    def forward(self, x):
        for name in self.order:
            x = F.max_pool2d(x, 2) if name == "M" else F.relu(self(name, x))
        return self("predictions", F.relu(self("fc2", F.relu(self("fc1", flat(x))))))


class Residual(Named):
    """What ImageNet's and CIFAR's networks share: ``blocks`` is a list of
    (name, channels, inner filters, outer filters, stride)."""

    def __init__(self, blocks, bottleneck=False, shortcut="B", bn=True):
        super().__init__()
        self.blocks, self.bottleneck, self.shortcut = blocks, bottleneck, shortcut
        for name, channels, inner, outer, stride in blocks:
            if bottleneck:
                self.conv_bn(f"{name}_1", channels, inner, 1, bn=bn)
                self.conv_bn(f"{name}_2", inner, inner, 3, stride, bn=bn)
                self.conv_bn(f"{name}_3", inner, outer, 1, bn=bn)
            else:
                self.conv_bn(f"{name}_1", channels, inner, 3, stride, bn=bn)
                self.conv_bn(f"{name}_2", inner, outer, 3, bn=bn)
            if shortcut == "B" and (stride != 1 or channels != outer):
                self.conv_bn(f"{name}_0", channels, outer, 1, stride, bn=bn)

    def apply_block(self, x, name, channels, inner, outer, stride):
        y = F.relu(self.apply_conv_bn(f"{name}_1", x))
        y = self.apply_conv_bn(f"{name}_2", y)
        if self.bottleneck:
            y = self.apply_conv_bn(f"{name}_3", F.relu(y))
        if f"{name}_0_conv" in self.parts:
            x = self.apply_conv_bn(f"{name}_0", x)
        elif self.shortcut == "A" and channels != outer:
            extra = outer - channels
            x = F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, extra // 2, extra - extra // 2))
        return F.relu(y if self.shortcut is None else y + x)


class ResNet(Residual):
    def __init__(self, counts, bottleneck, classes):
        blocks, channels = [], 64
        for stage, count in enumerate(counts, start=2):
            inner = 64 * 2 ** (stage - 2)
            outer = 4 * inner if bottleneck else inner
            for i in range(1, count + 1):
                stride = 2 if i == 1 and stage > 2 else 1
                blocks.append((f"conv{stage}_block{i}", channels, inner, outer, stride))
                channels = outer
        super().__init__(blocks, bottleneck)
        self.conv_bn("conv1", 3, 64, 7, 2)
        self.dense("predictions", channels, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.apply_conv_bn("conv1", x)), 3, 2, 1)
        for block in self.blocks:
            x = self.apply_block(x, *block)
        return self("predictions", x.mean((2, 3)))


class CIFARResNet(Residual):
    def __init__(self, depth, width, shortcut, bn=True, channels=3, classes=10):
        blocks, before = [], width
        for stage in (1, 2, 3):
            filters = width * 2 ** (stage - 1)
            for i in range(1, (depth - 2) // 6 + 1):
                stride = 2 if i == 1 and stage > 1 else 1
                blocks.append((f"stage{stage}_block{i}", before, filters, filters, stride))
                before = filters
        super().__init__(blocks, False, shortcut, bn)
        self.conv_bn("conv1", channels, width, 3, bn=bn)
        self.dense("predictions", before, classes)

    def forward(self, x):
        x = F.relu(self.apply_conv_bn("conv1", x))
        for block in self.blocks:
            x = self.apply_block(x, *block)
        return self("predictions", x.mean((2, 3)))
