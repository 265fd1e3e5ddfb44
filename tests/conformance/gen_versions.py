#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Writes one-node models of the operators that move, cut and fill shapes, in every version of the operator.

usage: gen_versions.py OUTDIR

The node tests of onnx hold the newest versions only, with every size known. These models have old versions, symbolic and
unknown sizes, constant and computed shapes, and negative axes. Their outputs are without types: infer_nodes.py compares
what mq and onnx make of them.
"""
import itertools
import sys
from pathlib import Path

import onnx
from onnx import TensorProto as T
from onnx import defs, helper

F, I = T.FLOAT, T.INT64
BIG = 2**63 - 1


class Const:
    """An input that is a constant."""

    def __init__(self, values, dtype=I, dims=None):
        self.tensor = helper.make_tensor("", dtype, [len(values)] if dims is None else dims, values)


class ShapeOf:
    """An input that is the shape of a graph input with these dims, so that its contents have to be computed."""

    def __init__(self, *dims):
        self.dims = list(dims)


def ints(*values):
    return Const(list(values))


def scalar(value, dtype=I):
    return Const([value], dtype, [])


def model(op, opset, inputs, attrs, n_outputs):
    """inputs: dims of a float tensor, (dtype, dims), Const, ShapeOf or None (absent)."""
    nodes, inits, infos, names = [], [], [], []
    for k, x in enumerate(inputs):
        name = "in%d" % k
        if x is None:
            name = ""
        elif isinstance(x, Const):
            inits.append(T())
            inits[-1].CopyFrom(x.tensor)
            inits[-1].name = name
        elif isinstance(x, ShapeOf):
            infos.append(helper.make_tensor_value_info("of_" + name, F, x.dims))
            nodes.append(helper.make_node("Shape", ["of_" + name], [name]))
        else:
            dtype, dims = x if isinstance(x, tuple) else (F, x)
            infos.append(helper.make_tensor_value_info(name, dtype, dims))
        names.append(name)
    outs = ["out%d" % k for k in range(n_outputs)]
    nodes.append(helper.make_node(op, names, outs, **attrs))
    graph = helper.make_graph(nodes, op, infos, [onnx.ValueInfoProto(name=o) for o in outs], inits)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def fit(*shapes):
    """Do they broadcast?"""
    for sizes in itertools.zip_longest(*(reversed(s) for s in shapes)):
        if len({d for d in sizes if isinstance(d, int) and d != 1}) > 1:
            return False
    return True


SHAPES = [[2, 3, 4], ["N", 3, 4], ["N", "C", None], [1, 5], ["N"], [], [None, 1, "W", 2]]


def unary(op, v):
    for dims in SHAPES:
        yield [dims], {}, 1


def binary(op, v):
    dtype = T.BOOL if op in ("And", "Or", "Xor") else T.INT32 if op == "Equal" else T.INT64 if op.startswith("Bit") and op != "BitShift" else F
    attrs = {}
    if op == "BitShift":
        dtype, attrs = T.UINT32, {"direction": "LEFT"}
    if v < 7:
        attrs = {"broadcast": 1}
    for a, b in itertools.product(SHAPES, SHAPES):
        if a == b or (v >= 7 and fit(a, b)):
            yield [(dtype, a), (dtype, b)], attrs, 1


def variadic(op, v):
    for a, b in itertools.product(SHAPES, SHAPES):
        if a == b or (v >= 8 and fit(a, b)):
            yield [a, b, a], {}, 1


def axes_case(v, since, values):
    return ([ints(*values)], {}) if v >= since else ([], {"axes": values})


def squeeze(op, v):
    for dims, axes in (([1, 3, 1], [0]), ([1, 3, 1], [0, 2]), (["N", 1, 4], [1]), (["N", 1, None], [0])):
        more, attrs = axes_case(v, 13, axes)
        yield [dims] + more, attrs, 1
    if v >= 11:
        more, attrs = axes_case(v, 13, [-1])
        yield [[2, "C", 1]] + more, attrs, 1
    yield [[1, 3, 1, 2]], {}, 1


def unsqueeze(op, v):
    for dims, axes in (([3, 4], [0]), (["N"], [0, 2]), ([], [0]), ([None, 2], [3, 1])) + ((([2, "C"], [-1, 0]),) if v >= 11 else ()):
        more, attrs = axes_case(v, 13, axes)
        yield [dims] + more, attrs, 1


def reshape(op, v):
    for dims, want in (
        ([2, 3, 4], [6, 4]), ([2, 3, 4], [-1]), ([2, 3, 4], [0, -1]), (["N", 3, 4], [-1, 12]), (["N", 3, 4], [0, -1]),
        (["N", "S", 64], [0, 0, 8, 8]), (["N", None, 64], [0, -1, 8, 8]), ([None, None], [-1, 7]), ([1], []), ([5], [5, 1]),
    ):
        if v >= 5:
            yield [dims, ints(*want)], {}, 1
        elif want:
            yield [dims], {"shape": want}, 1
    if v >= 5:
        yield [["A", 12], ShapeOf("A", 3, 4)], {}, 1
        yield [["A", 12], ShapeOf(None, 3, 4)], {}, 1
    if v >= 14:
        yield [[0, 3], ints(3, 0)], {"allowzero": 1}, 1


def transpose(op, v):
    for dims, perm in (([2, 3, 4], [1, 2, 0]), (["N", 3, "W"], [2, 0, 1]), ([None, 1], [1, 0])):
        yield [dims], {"perm": perm}, 1
    for dims in SHAPES:
        yield [dims], {}, 1


def flatten(op, v):
    for dims, axis in itertools.product(SHAPES, (0, 1, 2) + ((-1,) if v >= 11 else ())):
        if -len(dims) <= axis <= len(dims):
            yield [dims], {"axis": axis}, 1


def expand(op, v):
    for dims, want in (([3, 1], [2, 3, 4]), (["N", 1], [1, 5]), ([], [4]), ([None, 1], [2, 2]), ([3], [1])):
        yield [dims, ints(*want)], {}, 1
    yield [[1], ShapeOf("N", None, 3)], {}, 1


def shape(op, v):
    for dims in SHAPES:
        yield [dims], {}, 1
        if v >= 15 and op == "Shape":
            for bounds in ({"start": 1}, {"end": -1}, {"start": -2, "end": 9}, {"start": 2, "end": 1}, {"start": -9}):
                yield [dims], bounds, 1


def concat(op, v):
    for a, b, axis in (([2, 3], [2, 4], 1), (["N", 3], [2, 3], 1), (["N", 3], [None, 3], 0), ([5], ["M"], 0), (["A", 2], ["A", 2], 1)):
        yield [a, b], {"axis": axis}, 1
        if v >= 11:
            yield [a, b], {"axis": axis - len(a)}, 1
    if v < 4:
        yield [[2, 3], [2, 4]], {}, 1


def split(op, v):
    for dims, parts, axis in (([6, 4], [2, 4], 0), (["N", 6], [1, 2, 3], 1), ([None, 4], [2, 2], 0)):
        if 2 <= v < 13:
            yield [dims], {"axis": axis, "split": parts}, len(parts)
        elif v >= 13:
            yield [dims, ints(*parts)], {"axis": axis}, len(parts)
    for dims, n, axis in (([6, 4], 3, 0), ([6, 4], 2, 1), (["N", 6], 2, 1), (["N", 6], 2, 0)) + ((([7, 2], 3, 0),) if v >= 18 else ()):
        yield [dims], {"axis": axis, **({"num_outputs": n} if v >= 18 else {})}, n


def slices(op, v):
    for dims, starts, ends, axes, steps in (
        ([10, 20], [1], [5], [0], [1]), ([10, 20], [0, -3], [BIG, BIG], [0, 1], [1, 1]), (["N", 20], [0], [BIG], [0], [1]),
        (["N", 20], [2], [-2], [1], [1]), ([10], [-20], [3], [0], [1]), ([10], [7], [3], [0], [1]), (["N", None], [0], [1], [0], [1]),
        ([10, "W"], [9], [0], [0], [-2]), ([10], [-1], [-BIG], [0], [-1]), ([10], [100], [-100], [0], [-3]), ([0], [0], [5], [0], [1]),
        ([10], [2], [9], [0], [100]),
    ):
        if v >= 10:
            yield [dims, ints(*starts), ints(*ends), ints(*axes), ints(*steps)], {}, 1
            if steps == [1] * len(steps):
                yield [dims, ints(*starts), ints(*ends), ints(*[a - len(dims) for a in axes])], {}, 1
        elif steps == [1] * len(steps):
            yield [dims], {"starts": starts, "ends": ends, "axes": axes}, 1
            if axes == list(range(len(axes))):
                yield [dims], {"starts": starts, "ends": ends}, 1


def gather(op, v):
    for dims, idx, axis in ((["N", 3, 4], [2], 0), ([5, "D"], ["B", "S"], 0), ([5, 6, 7], [], 1), ([None, 2], [3], 1)):
        yield [dims, (I, idx)], {"axis": axis}, 1
        yield [dims, (I, idx)], {"axis": axis - len(dims)} if v >= 11 else {}, 1


def gather_elements(op, v):
    yield [[3, 4], (I, [2, 4])], {"axis": 0}, 1
    yield [["N", 4], (I, ["M", None])], {"axis": -1}, 1


def gather_nd(op, v):
    for dims, idx in (([2, 3, 4], [5, 2]), (["N", 3, 4], ["B", 1]), ([2, 3], [7, 2]), ([2, 3], ["B", None])):
        yield [dims, (I, idx)], {}, 1
    if v >= 12:
        yield [[2, 3, 4], (I, [2, 1])], {"batch_dims": 1}, 1
        yield [["N", 3, 4], (I, ["N", 5, 2])], {"batch_dims": 1}, 1


def scatter(op, v):
    yield [[3, 4], (I, [2, 4]), [2, 4]], {"axis": 0}, 1
    yield [["N", 4], (I, ["M", 4]), ["M", 4]], {"axis": 1}, 1


def scatter_nd(op, v):
    yield [[3, 4], (I, [2, 1]), [2, 4]], {}, 1
    yield [["N", 4], (I, ["B", 2]), ["B"]], {}, 1


def pad(op, v):
    for dims, pads in (([3, 4], [1, 0, 2, 0]), (["N", 4], [0, 1, 0, -2]), ([None, "W"], [0, 0, 0, 0])):
        if v < 11:
            yield [dims], {"paddings" if v < 2 else "pads": pads}, 1
        else:
            yield [dims, ints(*pads)], {}, 1
            yield [dims, (I, [4])], {}, 1
        if v >= 18:
            yield [dims, ints(pads[1], pads[3]), None, ints(-1)], {}, 1


def tile(op, v):
    if v < 6:
        yield [[3, 4], scalar(2.0, F), scalar(1.0, F)], {}, 1
        return
    for dims, repeats in (([3, 4], [2, 1]), (["N", 4], [1, 3]), (["N", None], [2, 2])):
        yield [dims, ints(*repeats)], {}, 1
    yield [[3, 4], (I, [2])], {}, 1


def top_k(op, v):
    for dims, k, axis in (([3, 10], 4, 1), (["N", 10], 1, 0), (["N", None], 3, 1)):
        if v < 10:
            yield [dims], {"k": k, "axis": axis}, 2
        else:
            yield [dims, ints(k)], {"axis": axis}, 2
            yield [dims, ints(k)], {}, 2
            yield [dims, (I, [1])], {"axis": axis}, 2


def one_hot(op, v):
    for dims, axis in (([3], -1), (["N", 4], 0), (["N", 4], 1)):
        yield [(I, dims), scalar(7), (F, [2])], {"axis": axis}, 1
        yield [(I, dims), ints(7), (F, [2])], {"axis": axis}, 1
        yield [(I, dims), (I, []), (F, [2])], {"axis": axis}, 1


def blocks(op, v):
    for dims in ([1, 8, 4, 6], ["N", 16, "H", "W"], [None, 4, 2, None]):
        yield [dims], {"blocksize": 2}, 1


def compress(op, v):
    yield [["N", 4], (T.BOOL, [3])], {"axis": 1}, 1
    yield [["N", 4], (T.BOOL, ["K"])], {}, 1


def like_float(op, v):
    for dims in SHAPES:
        if op != "EyeLike" or len(dims) == 2:
            yield [dims], {}, 1
            yield [dims], {"dtype": T.DOUBLE}, 1


def random(op, v):
    yield [], {"shape": [2, 3]}, 1
    yield [], {"shape": [4], "dtype": T.FLOAT16}, 1


def constant_of_shape(op, v):
    for want in ([2, 3], [], [4]):
        yield [ints(*want)], {}, 1
        yield [ints(*want)], {"value": helper.make_tensor("v", I, [1], [5])}, 1
    yield [(I, [3])], {}, 1
    yield [(I, ["R"])], {}, 1


def range_(op, v):
    for start, limit, delta in ((0, 10, 3), (10, 0, -4), (5, 5, 1), (0, -3, 1)):
        yield [scalar(start), scalar(limit), scalar(delta)], {}, 1
        yield [scalar(float(start), F), scalar(float(limit), F), scalar(float(delta), F)], {}, 1
        yield [scalar(float(start), T.DOUBLE), scalar(float(limit), T.DOUBLE), scalar(delta * 0.3, T.DOUBLE)], {}, 1
    yield [(I, []), (I, []), (I, [])], {}, 1


def cast(op, v):
    for dims in SHAPES:
        yield [dims], {"to": "FLOAT16" if v < 6 else T.FLOAT16}, 1


def cast_like(op, v):
    yield [["N", 2], (T.INT32, [1])], {}, 1


def window(op, v):
    yield [scalar(10)], {}, 1
    yield [scalar(10)], {"output_datatype": T.DOUBLE}, 1
    yield [(I, [])], {}, 1


def dropout(op, v):
    for dims in SHAPES:
        yield [dims], {}, 1
        yield [dims], {}, 2


def where(op, v):
    for a, b in itertools.product(SHAPES, SHAPES):
        if fit(a, b):
            yield [(T.BOOL, a), b, a], {}, 1


def softmax(op, v):
    for dims in ([2, 3], ["N", None, 4]):
        yield [dims], {}, 1
        yield [dims], {"axis": 0}, 1


def unique(op, v):
    yield [["N", 3]], {}, 4
    yield [["N", 3]], {"axis": 1}, 4


def multinomial(op, v):
    yield [["N", 5]], {"sample_size": 7}, 1
    yield [["N", 5]], {"dtype": I}, 1


def integers(op, v):
    for dims in SHAPES:
        yield [(T.BOOL if op == "Not" else T.INT32, dims)], {}, 1


UNARY = """Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Clip Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish Identity
IsInf IsNaN LeakyRelu Log Mish Neg NonZero Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt
Swish Tan Tanh ThresholdedRelu""".split()
BINARY = """Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Mod Mul Or Pow
Sub Xor""".split()
CASES = dict.fromkeys(UNARY, unary) | dict.fromkeys(BINARY, binary) | dict.fromkeys(["Max", "Mean", "Min", "Sum"], variadic) | {
    "BitwiseNot": integers, "Not": integers, "Cast": cast, "CastLike": cast_like, "Compress": compress, "Concat": concat,
    "ConstantOfShape": constant_of_shape, "DepthToSpace": blocks, "Dropout": dropout, "Expand": expand, "EyeLike": like_float,
    "Flatten": flatten, "Gather": gather, "GatherElements": gather_elements, "GatherND": gather_nd, "Hardmax": softmax,
    "LogSoftmax": softmax, "Multinomial": multinomial, "OneHot": one_hot, "Pad": pad, "RandomNormal": random,
    "RandomNormalLike": like_float, "RandomUniform": random, "RandomUniformLike": like_float, "Bernoulli": like_float,
    "Range": range_, "Reshape": reshape, "Scatter": scatter, "ScatterElements": scatter, "ScatterND": scatter_nd,
    "Shape": shape, "Size": shape, "Slice": slices, "Softmax": softmax, "SpaceToDepth": blocks, "Split": split,
    "Squeeze": squeeze, "Tile": tile, "TopK": top_k, "Transpose": transpose, "Unique": unique, "Unsqueeze": unsqueeze,
    "Where": where, "HannWindow": window, "HammingWindow": window, "BlackmanWindow": window,
}


def versions():
    found = {}
    for s in defs.get_all_schemas_with_history():
        if s.domain == "" and s.name in CASES and not s.deprecated:
            found.setdefault(s.name, set()).add(s.since_version)
    return sorted((name, v) for name, vs in found.items() for v in vs)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, v in versions():
        for k, (inputs, attrs, n_outputs) in enumerate(CASES[name](name, v)):
            onnx.save(model(name, v, inputs, attrs, n_outputs), out / ("%s_%d_%d.onnx" % (name, v, k)))


main()
