#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Prints what torch makes of small training problems: the numbers that tests/unit/train holds.

    make_train_values.py optimizers|losses|cnn

Needs torch (2.x). Everything is computed in float on one thread.
"""
import sys

import torch

torch.set_num_threads(1)


def row(values):
    return ", ".join(f"{float(v.detach()):.9g}" for v in values)


def optimizers():
    """Five steps of each optimizer on p: gradients are sin(i + 3 step) + p / 2."""
    cases = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.01),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
        "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, weight_decay=0.01),
        "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.01),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
    }
    for name, make in cases.items():
        for clip in (0, 0.5):
            p = torch.nn.Parameter(torch.tensor([0.5, -1.0, 2.0, 0.0]))
            opt = make([p])
            for step in range(5):
                i = torch.arange(4, dtype=torch.float32)
                p.grad = torch.sin(i + 3 * step) + p.detach() / 2
                if clip:
                    torch.nn.utils.clip_grad_norm_([p], clip)
                opt.step()
            print(f'    {{ "{name}", {clip}, {{ {row(p.detach())} }} }},')


def wave(count, speed, shift=0.0):
    """sin(speed * i + shift), rounded to float: what the tests compute as well."""
    return torch.sin(speed * torch.arange(count, dtype=torch.float64) + shift).float()


def losses():
    """Value and gradient of each loss at z = 2 sin(1.3 i) of shape [3,4]; the target is cos-like, shift 1."""
    f = torch.nn.functional
    t = 2 * wave(12, 0.7, 1).reshape(3, 4)
    p = torch.softmax(t, 1)
    labels = torch.tensor([1, -1, 2])

    def kl(z):
        return 9 * f.kl_div(torch.log_softmax(z / 3, 1), torch.softmax(t / 3, 1), reduction="batchmean")

    def bce(z, smoothing=0.0):
        """Where u is below 0 there is no label."""
        u = torch.where(t > 1.5, torch.tensor(-1.0), (t > 0).float())
        q = u * (1 - smoothing) + smoothing / 2
        return f.binary_cross_entropy_with_logits(z[u >= 0], q[u >= 0])

    def binary_kl(z):
        a, b = torch.sigmoid(t / 3), torch.sigmoid(z / 3)
        return 9 * (a * (a / b).log() + (1 - a) * ((1 - a) / (1 - b)).log()).mean()

    cases = {
        "ce": lambda z: f.cross_entropy(z, labels, ignore_index=-1),
        "ce smooth": lambda z: f.cross_entropy(z, labels, ignore_index=-1, label_smoothing=0.1),
        "soft-ce": lambda z: f.cross_entropy(z, p),
        "kl": kl,
        "bce": bce,
        "bce smooth": lambda z: bce(z, 0.1),
        "binary-kl": binary_kl,
        "mse": lambda z: f.mse_loss(z, t),
        "cosine": lambda z: f.cosine_embedding_loss(z, t, torch.ones(3)),
        "sum": lambda z: 0.9 * kl(z) + 0.1 * f.cross_entropy(z, labels, ignore_index=-1),
    }
    for name, loss in cases.items():
        z = (2 * wave(12, 1.3)).reshape(3, 4).requires_grad_()
        value = loss(z)
        value.backward()
        print(f'    {{ "{name}", {float(value.detach()):.9g}, {{ {row(z.grad.flatten())} }} }},')


class TinyCnn(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 3, 3, padding=1, bias=False)
        self.bn = torch.nn.BatchNorm2d(3)
        self.conv2 = torch.nn.Conv2d(3, 4, 3, stride=2)
        self.fc = torch.nn.Linear(4, 3)
        for k, p in enumerate(self.parameters()):
            p.data = (0.5 * wave(p.numel(), 1.1, k)).reshape(p.shape) + (1 if p is self.bn.weight else 0)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.bn(self.conv1(x))), 2)
        return self.fc(torch.relu(self.conv2(x)).mean((2, 3)))


def cnn():
    """Five steps of a small network with batch normalization on the same four images. (A bias before the normalization
    has no gradient but roundings, which Adam would make large.)"""
    x = wave(4 * 64, 0.37).reshape(4, 1, 8, 8)
    labels = torch.tensor([0, 1, 2, 1])
    net = TinyCnn()
    opt = torch.optim.Adam(net.parameters(), lr=0.01)
    steps = []
    for _ in range(5):
        loss = torch.nn.functional.cross_entropy(net(x), labels)
        opt.zero_grad()
        loss.backward()
        opt.step()
        steps.append(loss)
    print(f"losses {row(steps)}")
    for name, p in net.named_parameters():
        print(f'    {{ "{name}", {float(p.detach().norm()):.9g}, {{ {row(p.flatten()[:3])} }} }},')
    print(f"running mean {row(net.bn.running_mean)}")


if __name__ == "__main__":
    parts = {"optimizers": optimizers, "losses": losses, "cnn": cnn}
    if len(sys.argv) != 2 or sys.argv[1] not in parts:
        sys.exit(__doc__)
    parts[sys.argv[1]]()
