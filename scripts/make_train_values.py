#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Prints what torch makes of small training problems: the numbers that tests/unit/train holds.

    make_train_values.py optimizers|losses|cnn

Needs torch (2.x) and, for cnn, the ONNX file testdata/train/tiny_cnn.onnx. Everything is computed in float on one thread.
"""
import sys

import torch

torch.set_num_threads(1)


def row(values):
    return ", ".join(f"{float(v):.9g}f" for v in values)


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


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("optimizers",):
        sys.exit(__doc__)
    {"optimizers": optimizers}[sys.argv[1]]()
