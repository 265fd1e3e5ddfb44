#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Makes testdata/prune: a small model, and the masks that torch.nn.utils.prune gives for its weights.

usage: make_prune_truth.py FOLDER

layers.onnx has two convolutions and a fully connected layer with random weights, ties.onnx the same with weights that are
multiples of 1/4. masks.txt has a line for each method, share, model and weight: the mask as bits, the first element the
highest bit of the first hexadecimal digit. Needs torch 2.15, numpy and onnx 1.23."""
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn.utils import prune

SHAPES = {"conv1": (8, 3, 3, 3), "conv2": (6, 8, 3, 3), "fc": (10, 96)}


def weights(ties):
    rng = np.random.default_rng(10)
    made = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}
    made["conv2"] *= 0.3  # another scale, which a global scope sees
    return {name: np.round(w * 4) / 4 if ties else w for name, w in made.items()}


def save(path, made):
    nodes = [helper.make_node("Conv", ["x", "conv1"], ["a"], "first", pads=[1] * 4),
             helper.make_node("Relu", ["a"], ["b"], "relu1"),
             helper.make_node("Conv", ["b", "conv2"], ["c"], "second", pads=[1] * 4, strides=[2, 2]),
             helper.make_node("Relu", ["c"], ["d"], "relu2"),
             helper.make_node("Flatten", ["d"], ["e"], "flatten"),
             helper.make_node("Gemm", ["e", "fc"], ["y"], "third", transB=1)]
    graph = helper.make_graph(nodes, "layers", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
                              [numpy_helper.from_array(np.ascontiguousarray(w), name) for name, w in made.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def modules(made):
    held = {}
    for name, w in made.items():
        held[name] = torch.nn.Module()
        held[name].weight = torch.nn.Parameter(torch.from_numpy(w.copy()))
    return held


def line(method, share, model, name, module):
    bits = module.weight_mask.detach().numpy().astype(np.uint8).ravel()
    return f"{method} {share} {model} {name} {np.packbits(bits).tobytes().hex()}\n"


def main(folder):
    lines = []
    for model in ("layers", "ties"):
        made = weights(model == "ties")
        save(folder / f"{model}.onnx", made)
        for share in (0.1, 0.5, 0.9):
            held = modules(made)
            for name, module in held.items():
                prune.l1_unstructured(module, "weight", share)
                lines.append(line("layer", share, model, name, module))
            held = modules(made)
            prune.global_unstructured([(m, "weight") for m in held.values()], prune.L1Unstructured, amount=share)
            lines += [line("global", share, model, name, module) for name, module in held.items()]
        for norm in (1, 2):
            held = modules(made)
            for name in ("conv1", "conv2"):
                prune.ln_structured(held[name], "weight", 0.5, n=norm, dim=0)
                lines.append(line(f"channel-l{norm}", 0.5, model, name, held[name]))
    (folder / "masks.txt").write_text("".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
