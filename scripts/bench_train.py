#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""An epoch of a ResNet-8 (16-32-64 channels, batch 64, Adam) beside torch, turn by turn: CPU and wall time, peak memory.

The time of an epoch is what more of them take more; random images, because the work does not depend on them. Needs torch,
onnx and numpy.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

EPOCHS = (1, 3)
WIDTHS = (16, 32, 64)


def layers():
    """Of each Conv: name, inputs, outputs, kernel, stride."""
    a, b, c = WIDTHS
    return [("c0", 3, a, 3, 1), ("c1", a, a, 3, 1), ("c2", a, a, 3, 1), ("c3", a, b, 3, 2), ("c4", b, b, 3, 1),
            ("c5", a, b, 1, 2), ("c6", b, c, 3, 2), ("c7", c, c, 3, 1), ("c8", b, c, 1, 2)]


def write_model(path):
    from onnx import TensorProto, helper, numpy_helper, save
    rng = np.random.default_rng(0)
    nodes, inits = [], []

    def weight(name, value):
        inits.append(numpy_helper.from_array(np.asarray(value, "f4"), name))
        return name

    def conv(x, name):
        _, n_in, n_out, k, stride = next(row for row in layers() if row[0] == name)
        w = weight(name + "w", rng.standard_normal((n_out, n_in, k, k)) * (2 / (n_in * k * k)) ** 0.5)
        nodes.append(helper.make_node("Conv", [x, w], [name], kernel_shape=[k, k], strides=[stride] * 2, pads=[k // 2] * 4))
        stats = [weight(name + s, np.full(n_out, v)) for s, v in (("s", 1), ("b", 0), ("m", 0), ("v", 1))]
        nodes.append(helper.make_node("BatchNormalization", [name, *stats], [name + "n"]))
        return name + "n"

    def op(kind, *x):
        name = f"{kind}{len(nodes)}"
        nodes.append(helper.make_node(kind, x, [name]))
        return name

    x = op("Relu", conv("x", "c0"))
    for first, second, skip in (("c1", "c2", None), ("c3", "c4", "c5"), ("c6", "c7", "c8")):
        y = conv(op("Relu", conv(x, first)), second)
        x = op("Relu", op("Add", conv(x, skip) if skip else x, y))
    x = op("Flatten", op("GlobalAveragePool", x))
    last = weight("fw", rng.standard_normal((10, WIDTHS[2])) * 0.1)
    nodes.append(helper.make_node("Gemm", [x, last, weight("fb", np.zeros(10))], ["y"], transB=1))
    graph = helper.make_graph(nodes, "resnet8", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 32, 32])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])], inits)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def train_torch(data, epochs, threads):
    import torch
    from torch import nn
    from torch.nn import functional as F
    torch.set_num_threads(threads)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.c = nn.ModuleDict({n: nn.Sequential(nn.Conv2d(i, o, k, s, k // 2, bias=False), nn.BatchNorm2d(o))
                                    for n, i, o, k, s in layers()})
            self.f = nn.Linear(WIDTHS[2], 10)

        def forward(self, x):
            c = self.c
            x = F.relu(c["c0"](x))
            x = F.relu(x + c["c2"](F.relu(c["c1"](x))))
            x = F.relu(c["c5"](x) + c["c4"](F.relu(c["c3"](x))))
            x = F.relu(c["c8"](x) + c["c7"](F.relu(c["c6"](x))))
            return self.f(x.mean((2, 3)))

    with np.load(data) as d:
        x, y = torch.from_numpy(d["x"]), torch.from_numpy(d["y"])
    net = Net()
    adam = torch.optim.Adam(net.parameters())
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            if len(batch) == 64:
                adam.zero_grad()
                F.cross_entropy(net(x[batch]), y[batch]).backward()
                adam.step()


def run(argv):
    """Wall and CPU seconds, and peak memory in MB, of a process."""
    began = time.monotonic()
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{argv[0]} failed")
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def measure(command):
    (wall0, cpu0, _), (wall1, cpu1, peak) = (run(command(n)) for n in EPOCHS)
    return (wall1 - wall0) / (EPOCHS[1] - EPOCHS[0]), (cpu1 - cpu0) / (EPOCHS[1] - EPOCHS[0]), peak


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--mq", default="build/tools/mq")
    p.add_argument("--images", type=int, default=8000)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    p.add_argument("--torch", nargs=3, help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.torch:
        return train_torch(a.torch[0], int(a.torch[1]), int(a.torch[2]))
    with tempfile.TemporaryDirectory() as folder:
        model, data, out = (os.path.join(folder, n) for n in ("resnet8.onnx", "data.npz", "out.onnx"))
        rng = np.random.default_rng(1)
        np.savez(data, x=rng.standard_normal((a.images, 3, 32, 32), "f4"), y=rng.integers(0, 10, a.images),
                 few_x=rng.standard_normal((10, 3, 32, 32), "f4"), few_y=np.arange(10))
        write_model(model)
        for threads in a.threads:
            tools = {
                "torch": lambda n: [sys.executable, __file__, "--torch", data, str(n), str(threads)],
                "mq": lambda n: [a.mq, "distill-export", model, "--student", model, "--data", f"{data}:x",
                                 "--labels", f"{data}:y", "--val-data", f"{data}:few_x", "--val-labels", f"{data}:few_y",
                                 "--loss", "ce", "--alpha", "0",
                                 "--batch", "64", "--epochs", str(n), "--early-stop", "0", "-q", "-f", "-o", out,
                                 "-j", str(threads), "--max-size", "none"],
            }
            figures = {name: [] for name in tools}
            for _ in range(a.runs):
                for name, command in tools.items():
                    figures[name].append(measure(command))
            for name, rows in figures.items():
                wall, cpu, peak = zip(*rows)
                print(f"{threads} threads  {name:5}  median wall {statistics.median(wall):6.2f} s  "
                      f"CPU {statistics.median(cpu):6.2f} s  peak {max(peak):5.0f} MB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
