#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Makes a large model for bench.py.

usage: bench_models.py OUT.onnx inside|external LAYERS WIDTH INNER

LAYERS MatMul + Relu with weights WIDTH x INNER and INNER x WIDTH in turn; external: weights go to OUT.onnx.data."""
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper


def stack(path, shapes, external):
    """A chain of MatMul + Relu with seeded normal weights of the given shapes."""
    rng = np.random.default_rng(0)
    nodes, inits, x = [], [], "x"
    data = open(str(path) + ".data", "wb") if external else None
    for i, (rows, cols) in enumerate(shapes):
        w = rng.standard_normal((rows, cols), dtype=np.float32) / np.float32(np.sqrt(rows))
        t = TensorProto(name=f"w{i}", data_type=TensorProto.FLOAT, dims=w.shape)
        if external:
            data.write(b"\0" * (-data.tell() % 4096))
            t.data_location = TensorProto.EXTERNAL
            for key, value in (("location", path.name + ".data"), ("offset", data.tell()), ("length", w.nbytes)):
                t.external_data.add(key=key, value=str(value))
            data.write(w.tobytes())
        else:
            t.raw_data = w.tobytes()
        inits.append(t)
        nodes += [helper.make_node("MatMul", [x, t.name], [f"m{i}"], f"mm{i}"), helper.make_node("Relu", [f"m{i}"], [f"r{i}"])]
        x = f"r{i}"
    graph = helper.make_graph(nodes, "stack", [helper.make_tensor_value_info("x", 1, ["N", shapes[0][0]])],
                              [helper.make_tensor_value_info(x, 1, ["N", shapes[-1][1]])], inits)
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
    if data:
        data.close()


def main():
    path, where, layers, width, inner = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])
    stack(path, [(width, inner) if i % 2 == 0 else (inner, width) for i in range(layers)], where == "external")


main()
