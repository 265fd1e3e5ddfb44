#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Models that ask for the impossible: sizes that overflow, axes out of range, attributes of wrong types, empty tensors, ranks up to
13, functions and graphs that never end. Each must run, or be refused (exit 3, 4 or 5) with one line, at once and in little memory.

usage: engine_hostile.py MQ WORK"""
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.numpy_helper import from_array

MEMORY = 6 << 30
SECONDS = 10
HUGE = 1 << 62
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
node, value = helper.make_node, helper.make_tensor_value_info


def ints(name, *v):
    return from_array(np.array(v, np.int64), name)


def scalar(name, v):
    return from_array(np.array(v), name)


def ones(name, *dims, dtype=np.float32):
    return from_array(np.ones(dims, dtype), name)


X24 = value("x", FLOAT, [2, 4])
IMAGE = value("x", FLOAT, [1, 1, 4, 4])


def sizes():
    """Shapes that are too large, or negative."""
    for dims in ([HUGE], [1 << 31, 1 << 31], [1 << 40], [-1], [0, HUGE], [0, HUGE, HUGE, HUGE], [1] * 13, [1] * 5000):
        yield [node("ConstantOfShape", ["s"], ["y"])], [], [ints("s", *dims)]
    for dims in ([1 << 40, 1], [HUGE, HUGE], [-1, 2], [1 << 16, 1 << 17]):
        yield [node("Tile", ["x", "s"], ["y"])], [X24], [ints("s", *dims)]
        yield [node("Expand", ["x", "s"], ["y"])], [value("x", FLOAT, [1, 1])], [ints("s", *dims)]
    for dims in ([1, 1, 1 << 40, 4], [1, 1, HUGE, HUGE], [1, 1, -4, 4], [1, 1, 0, 4]):
        for mode in ("nearest", "linear", "cubic"):
            yield [node("Resize", ["x", "", "", "s"], ["y"], mode=mode)], [IMAGE], [ints("s", *dims)]
    for scale in (1e30, float("nan"), float("inf"), -1, 0, 1e-30):
        yield ([node("Resize", ["x", "", "s"], ["y"], mode="linear")], [IMAGE],
               [from_array(np.array([1, 1, scale, 1], np.float32), "s")])
    yield ([node("Expand", ["x", "s"], ["a"]), node("Transpose", ["a"], ["b"]), node("MatMul", ["b", "a"], ["y"])],
           [value("x", FLOAT, [1, 1])], [ints("s", 1, 1 << 20)])
    yield [node("Unsqueeze", ["x", "u"], ["a"]), node("Mul", ["a", "x"], ["y"])], [value("x", FLOAT, [200000])], [ints("u", 1)]


def along(axis):
    """Operators with this number as an axis."""
    inits = [ints("i", 0, 1), ints("d", 4), from_array(np.array([0, 1], np.float32), "v"), ints("k", 1),
             from_array(np.array([True, False]), "b"), from_array(np.zeros((2, 4), np.int64), "i2"),
             from_array(np.zeros((2, 4), np.int8), "q"), ones("s", 4)]
    for op, inputs in (("Softmax", "x"), ("LogSoftmax", "x"), ("Concat", "x x"), ("Flatten", "x"), ("ArgMax", "x"), ("Hardmax", "x"),
                       ("LayerNormalization", "x x"), ("Gather", "x i"), ("OneHot", "i d v"), ("TopK", "x k"), ("Compress", "x b"),
                       ("GatherElements", "x i2"), ("ScatterElements", "x i2 x"), ("DequantizeLinear", "q s"),
                       ("QuantizeLinear", "x s")):
        yield [node(op, inputs.split(), ["y"], axis=axis)], [X24], inits
    for op in ("ReduceSum", "Squeeze", "Unsqueeze"):
        yield [node(op, ["x", "a"], ["y"])], [X24], [ints("a", axis)]
    yield [node("CumSum", ["x", "a"], ["y"])], [X24], [scalar("a", axis)]
    yield [node("DFT", ["x", "a"], ["y"])], [value("x", FLOAT, [1, 8, 1])], [scalar("a", axis)]
    yield [node("Transpose", ["x"], ["y"], perm=[axis, 0])], [X24], []


def numbered(n):
    """Operators with this number as a count, size or index."""
    image8, planes = value("x", FLOAT, [1, 2, 8, 8]), value("x", FLOAT, [1, 4, 2, 2])
    yield [node("Slice", ["x", "a", "a", "a", "a"], ["y"])], [X24], [ints("a", n)]
    yield [node("Gather", ["x", "a"], ["y"])], [X24], [ints("a", n)]
    yield [node("GatherND", ["x", "a"], ["y"], batch_dims=n)], [X24], [ints("a", 1)]
    yield [node("Pad", ["x", "a"], ["y"])], [X24], [ints("a", n, 0, 0, n)]
    yield [node("DepthToSpace", ["x"], ["y"], blocksize=n)], [planes], []
    yield [node("EyeLike", ["x"], ["y"], k=n)], [X24], []
    yield [node("Trilu", ["x", "k"], ["y"])], [X24], [scalar("k", n)]
    yield [node("Range", ["a", "b", "c"], ["y"])], [], [scalar("a", 0), scalar("b", n), scalar("c", 1 if n > 0 else -1)]
    yield [node("OneHot", ["i", "d", "v"], ["y"])], [], [ints("i", 0, 1), ints("d", n), from_array(np.array([0, 1], np.float32), "v")]
    for op in ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"):
        inputs = ["x", "w"] if "Conv" in op else ["x"]
        for name in ("strides", "dilations", "pads", "kernel_shape"):
            attrs = {"kernel_shape": [3, 3], name: [n] * (4 if name == "pads" else 2)}
            yield [node(op, inputs, ["y"], **attrs)], [image8], [ones("w", 2, 2, 3, 3)]
        if "Conv" in op:
            yield [node(op, inputs, ["y"], group=n)], [image8], [ones("w", 2, 2, 3, 3)]
    yield [node("LSTM", ["x", "w", "r"], ["y"], hidden_size=n)], [value("x", FLOAT, [2, 1, 3])], [ones("w", 1, 16, 3), ones("r", 1, 16, 4)]
    yield [node("Reshape", ["x", "a"], ["y"])], [X24], [ints("a", n, 2)]
    yield ([node("MatMulNBits", ["x", "q", "s"], ["y"], domain="com.microsoft", K=n, N=n, bits=4, block_size=32)],
           [value("x", FLOAT, [1, 32])], [ones("q", 4, 1, 16, dtype=np.uint8), ones("s", 4)])
    yield [node("HannWindow", ["a"], ["y"])], [], [scalar("a", n)]
    yield [node("RandomNormal", [], ["y"], shape=[n, n])], [], []
    yield [node("LRN", ["x"], ["y"], size=n)], [planes], []
    yield [node("GroupNormalization", ["x", "s", "s"], ["y"], num_groups=n)], [planes], [ones("s", 4)]
    yield [node("MelWeightMatrix", ["a", "a", "a", "l", "l"], ["y"])], [], [scalar("a", n), scalar("l", np.float32(1))]
    yield [node("STFT", ["x", "a", "", "a"], ["y"])], [value("x", FLOAT, [1, 16, 1])], [scalar("a", n)]
    yield [node("CenterCropPad", ["x", "a"], ["y"])], [X24], [ints("a", n, n)]
    yield [node("Col2Im", ["x", "a", "b"], ["y"])], [value("x", FLOAT, [1, 4, 4])], [ints("a", n, n), ints("b", 2, 2)]
    yield ([node("MaxUnpool", ["x", "i", "o"], ["y"], kernel_shape=[2, 2])], [value("x", FLOAT, [1, 1, 2, 2])],
           [ones("i", 1, 1, 2, 2, dtype=np.int64), ints("o", 1, 1, n, n)])
    yield [node("TopK", ["x", "k"], ["y", "z"])], [X24], [ints("k", n)]
    yield [node("Split", ["x", "a"], ["y", "z"])], [X24], [ints("a", n, 2)]
    yield [node("SplitToSequence", ["x", "a"], ["q"]), node("SequenceAt", ["q", "a"], ["y"])], [X24], [scalar("a", n)]


def mistyped():
    for op, attrs in (("Softmax", {"axis": "x"}), ("Softmax", {"axis": 1.5}), ("Concat", {"axis": [1, 2]}), ("Conv", {"pads": "a"}),
                      ("Conv", {"strides": 1}), ("Cast", {"to": "x"}), ("Cast", {"to": 999}), ("Cast", {"to": -1}),
                      ("Constant", {"value_floats": 3}), ("Constant", {"value": 5}), ("Constant", {}), ("Loop", {"body": 3}),
                      ("ConstantOfShape", {"value": 3.0}), ("LeakyRelu", {"alpha": "z"}), ("If", {"then_branch": "x"}), ("If", {}),
                      ("Scan", {"num_scan_inputs": 1}), ("Transpose", {"perm": "ab"}), ("LSTM", {"hidden_size": "a"}),
                      ("Einsum", {"equation": 3}), ("Einsum", {"equation": "ij,jk"}), ("Einsum", {"equation": "i" * 100}),
                      ("Einsum", {"equation": "...->..."}), ("Einsum", {"equation": "ii->iiii"}), ("Resize", {"mode": "zzz"}),
                      ("Gelu", {"approximate": 1})):
        yield [node(op, [] if op == "Constant" else ["x"], ["y"], **attrs)], [X24], []


def empty():
    inputs = {"InstanceNormalization": "x s s", "LayerNormalization": "x t", "MatMul": "x m", "Gemm": "x m", "Conv": "x w", "TopK": "x k",
              "Resize": "x - r", "CumSum": "x a", "ReduceMax": "x a", "ReduceMin": "x a", "ReduceMean": "x a", "ReduceSum": "x a"}
    for op in ("ReduceMax ReduceMin ReduceMean ReduceSum ArgMax Softmax GlobalMaxPool GlobalAveragePool MaxPool Relu Transpose Flatten "
               "Unique NonZero TopK CumSum LogSoftmax InstanceNormalization LayerNormalization MatMul Gemm Conv Resize").split():
        for dims in ((0, 4, 3, 3), (2, 4, 0, 3), (2, 0, 3, 3)):
            attrs = {"MaxPool": {"kernel_shape": [2, 2]}, "ArgMax": {"axis": 1}}.get(op, {})
            yield ([node(op, [i.strip("-") for i in inputs.get(op, "x").split()], ["y"], **attrs)], [value("x", FLOAT, dims)],
                   [ones("s", dims[1]), ones("t", 3), ones("m", 3, 5), ones("w", 4, dims[1], 1, 1), ints("k", 1), ints("a", 1),
                    from_array(np.array([1, 1, 2, 2], np.float32), "r")])


def endless():
    """Graphs that never end, or do not fit together; ranks."""
    two = value("x", FLOAT, [2])
    body = helper.make_graph([node("Identity", ["c"], ["co"]), node("Identity", ["v"], ["vo"]), node("Identity", ["v"], ["so"])], "body",
                             [value("i", INT64, []), value("c", BOOL, []), value("v", FLOAT, [2])],
                             [value("co", BOOL, []), value("vo", FLOAT, [2]), value("so", FLOAT, [2])])
    for trips, outputs in (((1 << 63) - 1, ["y", "z"]), (-5, ["y", "z"]), (2, ["y", "z", "w", "u"])):
        yield [node("Loop", ["t", "", "x"], outputs, body=body)], [two], [scalar("t", trips)]
    yield [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])], [two], []
    yield [node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])], [two], []
    yield [node("Relu", ["nothing"], ["y"])], [two], []
    yield ([node("Transpose", ["x"], ["a"]), node("Add", ["a", "x"], ["b"]), node("Softmax", ["b"], ["y"], axis=3)],
           [value("x", FLOAT, [1] * 11 + [2])], [])
    yield [node("Unsqueeze", ["x", "u"], ["y"])], [value("x", FLOAT, [1] * 12)], [ints("u", 0)]
    yield [node("Relu", ["x"], ["y"])], [value("x", FLOAT, [1] * 13)], []


def functions():
    """A function that calls itself, and functions that each call the next one twice."""
    opsets = [helper.make_opsetid("l", 1), helper.make_opsetid("", 21)]
    yield [helper.make_function("l", "F0", ["a"], ["b"], [node("F0", ["a"], ["b"], domain="l")], opsets)]
    chain = [helper.make_function("l", f"F{i}", ["a"], ["b"], [node(f"F{i + 1}", ["a"], ["q"], domain="l"),
                                                               node(f"F{i + 1}", ["q"], ["b"], domain="l")], opsets) for i in range(40)]
    yield chain + [helper.make_function("l", "F40", ["a"], ["b"], [node("Relu", ["a"], ["b"])], opsets)]


def cases():
    yield from sizes()
    for n in (99, -99, 1 << 40, -HUGE, (1 << 63) - 1, -(1 << 63), 0):
        yield from along(n)
        yield from numbered(n)
    yield from mistyped()
    yield from empty()
    yield from endless()
    for made in functions():
        yield [node("F0", ["x"], ["y"], domain="l")], [value("x", FLOAT, [2])], [], made


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def complaint(mq, path, data):
    """What is wrong with how the model is taken; None: nothing."""
    start = time.monotonic()
    try:
        done = subprocess.run([mq, "run", str(path), *data], capture_output=True, text=True, timeout=SECONDS, check=False,
                              preexec_fn=limit if "--no-limit" not in sys.argv else None)
    except subprocess.TimeoutExpired:
        return f"takes more than {SECONDS} s"
    lines = [line for line in done.stderr.splitlines() if ": warning: " not in line and "no data are given" not in line]
    if done.returncode not in (0, 3, 4, 5):
        return f"exit {done.returncode}: {done.stderr[-1000:]}"
    if done.returncode and len(lines) != 1:
        return f"{len(lines)} lines: {done.stderr[-1000:]}"
    return f"takes {time.monotonic() - start:.1f} s" if time.monotonic() - start > SECONDS / 2 else None


def main():
    mq, work = sys.argv[1], Path(sys.argv[2])
    work.mkdir(parents=True, exist_ok=True)
    n = bad = 0
    for nodes, inputs, inits, *functions_of in cases():
        graph = helper.make_graph(nodes, "hostile", inputs, [helper.make_empty_tensor_value_info("y")], inits)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("l", 1), helper.make_opsetid("com.microsoft", 1)]
        path = work / f"{n}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions_of[0] if functions_of else []), path)
        data = {i.name: np.ones([d.dim_value for d in i.type.tensor_type.shape.dim], np.float32) for i in inputs}
        np.savez(work / "data.npz", **data)
        wrong = complaint(mq, path, ["--data", str(work / "data.npz")] if data else [])
        n += 1
        if wrong:
            bad += 1
            print(f"{path} ({nodes[0].op_type}): {wrong}")
        else:
            path.unlink()
    print(f"{n} hostile models, {bad} taken wrongly")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
