#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Static quantization in every combination of its options: what is written passes onnx.checker, loads in ONNX Runtime, keeps
no unused constant, is near the float model there, and gives in the engine what it gives there; what cannot work is a usage
error that says why.

usage: static_modes.py MQ TESTDATA [--long | --all] [--seed N] [--seconds N]

Combinations are chosen so that every two values of different options come up together in one that works, and dealt out to
the models: small ones with each form of weight, what the project has in testdata, random graphs (random_patterns.py), and
real models of $MQ_SHARED_DATA when they are there. --long gives each model such a set of its own; --all tries every
combination of the options that decide what can work, with the others drawn by lot. Needs onnx, onnxruntime and numpy."""
import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

import random_patterns
import weight_forms

ort.set_default_logger_severity(4)

# What can contradict each other.
AXES = {
    "--format": ("qdq", "qoperator"),
    "--act-type": (None, "uint8", "int8", "uint16", "int16"),
    "act": (None, "--act-symmetric", "--act-asymmetric"),
    "--io-type": (None, "uint8", "int8", "int16"),
    "--type": ("int8", "uint8", "int4", "uint4", "int2", "uint2", "int16", "uint16"),
    "grain": (None, "--per-channel", "--per-tensor"),
    "sign": (None, "--symmetric", "--asymmetric"),
    "reduce": (None, "--reduce-range"),
    "--target": (None, "onnxruntime,x64-avx2", "onnxruntime,x64-vnni", "tensorrt", "c", "portable"),
}
# What works with everything.
FREE = {
    "--calibration": (None, "minmax", "ema", "percentile", "entropy", "mse"),
    "--effort": (None, "fast", "normal"),
    "--smooth": (None, "auto", "none", "0.5"),
    "equalize": (None, "--equalize"),
    "correct": (None, "--bias-correction", "--no-bias-correction"),
    "--algorithm": (None, "mse", "hqq"),
    "--op-types": (None, "*"),
}
INTEGERS = ("gemm_net", "attention_net", "opset_9", "digits_cnn", "digits_cnn_opset9", "digits_mlp",
            "resnet8_cifar10_ft")  # models whose products are all for integers
EIGHT = ("int8", "uint8", None)


def refused(c):
    """What the message has to name when the combination cannot work; None: it can."""
    target = (c["--target"] or "").split(",")[0]
    strict = target in ("tensorrt", "portable")
    if c["--type"] not in EIGHT and c["reduce"]:
        return "--reduce-range"
    if c["--format"] == "qoperator" and c["--type"] not in EIGHT:
        return "--format qoperator"
    if c["--type"] in ("int2", "uint2"):
        return "of 2 bits"
    if (strict and c["--type"] != "int8") or (target == "c" and c["--type"] not in EIGHT):
        return f"--type {c['--type']}: --target {target}"
    if strict and c["sign"] == "--asymmetric":
        return "--asymmetric: --target"
    if c["--format"] == "qoperator" and (strict or target == "c"):
        return "--format qoperator: --target"
    if c["--io-type"] and c["--act-type"] and c["--io-type"] != c["--act-type"]:
        return f"--io-type {c['--io-type']}: activations are {c['--act-type']}"
    act = c["--act-type"] or c["--io-type"]  # which it follows
    if c["--format"] == "qoperator" and (act not in EIGHT or (act, c["--type"]) == ("int8", "uint8")):
        return "--format qoperator"
    if (strict and act not in ("int8", None)) or (target == "c" and act not in EIGHT):
        return f"{'--act-type' if c['--act-type'] else '--io-type'} {act}: --target {target}"
    if strict and c["act"] == "--act-asymmetric":
        return "--act-asymmetric: --target"
    return None


def covering(rng):
    """Combinations that work, in which every two values come up together that can."""
    axes = {**AXES, **FREE}
    pairs = {(a, x, b, y) for a, b in itertools.combinations(axes, 2) for x in axes[a] for y in axes[b]}
    idle, chosen = 0, []
    while pairs and idle < 40:
        best, most = None, 0
        for _ in range(60):
            c = draw(rng, axes)
            new = 0 if refused(c) else len(pairs & pairs_of(c))
            best, most = (c, new) if new > most else (best, most)
        idle = 0 if best else idle + 1
        if best:
            chosen.append(best)
            pairs -= pairs_of(best)
    return chosen


def draw(rng, axes):
    return {axis: values[rng.integers(len(values))] for axis, values in axes.items()}


def pairs_of(c):
    return {(a, c[a], b, c[b]) for a, b in itertools.combinations(c, 2)}


def refusals(rng, count):
    """Combinations that cannot work, as many for each reason."""
    by_reason = {}
    while len(by_reason) < 12 or sum(map(len, by_reason.values())) < 20 * count:
        c = draw(rng, {**AXES, **FREE})
        if refused(c):
            by_reason.setdefault(refused(c).split(":")[0], []).append(c)
    return [c for cs in zip(*(itertools.cycle(v) for v in by_reason.values()), range(count)) for c in cs[:-1]][:count]


def options(c):
    words = []
    for axis, value in c.items():
        if value:
            words += [axis, value] if axis.startswith("--") else [value]
    return words


# ---- models ----


def conv_net():
    """Residual additions, Concat of alike and unlike ranges, pools, Clip, groups, a tail that is float."""
    w = weight_forms.weight
    nodes = [helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1] * 4), helper.make_node("Relu", ["c1"], ["r1"]),
             helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1] * 4),
             helper.make_node("Add", ["c2", "r1"], ["a"]),
             helper.make_node("Relu", ["a"], ["r2"]),
             helper.make_node("MaxPool", ["r2"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
             helper.make_node("Conv", ["m", "w3"], ["c3"], group=4), helper.make_node("Clip", ["c3", "zero", "six"], ["k"]),
             helper.make_node("AveragePool", ["m"], ["v"], kernel_shape=[3, 3]),
             helper.make_node("Concat", ["k", "v"], ["j"], axis=1),
             helper.make_node("Concat", ["j", "k"], ["j2"], axis=1),
             helper.make_node("ConvTranspose", ["j2", "w4", "b4"], ["t"]),
             helper.make_node("GlobalAveragePool", ["t"], ["g"]), helper.make_node("Flatten", ["g"], ["f"]),
             helper.make_node("Gemm", ["f", "w5", "b5"], ["o"], transB=1), helper.make_node("Softmax", ["o"], ["y"])]
    small = w((40, 12), "w5", 7)  # so that the Softmax is not one number and zeros
    small.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(small) * np.float32(0.003), "w5"))
    weights = [w((16, 8, 3, 3), "w1"), w((16,), "b1", 1), w((16, 16, 3, 3), "w2", 2), w((16,), "b2", 3),
               w((16, 4, 3, 3), "w3", 4), w((48, 12, 3, 3), "w4", 5), w((12,), "b4", 6), small,
               w((1, 40), "b5", 8), numpy_helper.from_array(np.float32(0), "zero"),
               numpy_helper.from_array(np.float32(6), "six")]
    return weight_forms.model(nodes, [weight_forms.info("x", ["N", 8, 12, 12])], weights)


def attention_net():
    """Products of two activations; Reshape and Transpose between them; Softmax in float."""
    w = weight_forms.weight
    nodes = [helper.make_node("MatMul", ["x", "wq"], ["q0"]), helper.make_node("Add", ["q0", "bq"], ["q"]),
             helper.make_node("MatMul", ["x", "wk"], ["k"]), helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
             helper.make_node("MatMul", ["q", "kt"], ["s0"]), helper.make_node("Mul", ["s0", "scale"], ["s"]),
             helper.make_node("Softmax", ["s"], ["p"]), helper.make_node("MatMul", ["x", "wv"], ["v"]),
             helper.make_node("MatMul", ["p", "v"], ["o"]), helper.make_node("MatMul", ["o", "wo"], ["z"]),
             helper.make_node("Add", ["z", "x"], ["y"])]
    weights = [w((48, 48), f"w{n}", i) for i, n in enumerate("qkvo")]
    weights += [w((48,), "bq", 9), numpy_helper.from_array(np.float32(0.1), "scale")]
    return weight_forms.with_rank(weight_forms.model(nodes, [weight_forms.info("x", ["N", 10, 48])], weights), 3)


def made(folder):
    """name: (path, what feeds it, options of the data)"""
    rng = np.random.default_rng(7)
    for name, m, shape in (("conv_net", conv_net(), (8, 8, 12, 12)), ("attention_net", attention_net(), (8, 10, 48)),
                           ("gemm_net", weight_forms.simple("Gemm", ["N", 64], (64, 40), 2), (8, 64)),
                           ("opset_9", weight_forms.simple("Conv", ["N", 8, 12, 12], (16, 8, 3, 3), 4, opset=9, ir=3,
                                                           as_input=True), (8, 8, 12, 12)),
                           ("recurrent_net", recurrent_net(), (5, 6, 32)), ("inner_net", inner_net(), (8, 32)),
                           ("moving_net", moving_net(), (8, 8, 8, 8)),
                           ("embedding_net", embedding_net(), None)):
        onnx.save(m, folder / f"{name}.onnx")
        x = rng.standard_normal(shape, np.float32) if shape else rng.integers(0, 30, (8, 6))
        yield name, folder / f"{name}.onnx", {"x": x}


def given(testdata):
    digits = np.load(testdata / "digits.npz")["test_x"][:64].astype(np.float32) / 16
    for name in ("digits_cnn", "digits_cnn_opset9", "digits_mlp"):
        path = testdata / f"{name}.onnx"
        shape = ort.InferenceSession(str(path)).get_inputs()[0].shape
        yield name, path, {ort.InferenceSession(str(path)).get_inputs()[0].name:
                           digits.reshape(-1, *[d for d in shape[1:]]) if len(shape) > 2 else digits.reshape(64, -1)}


def real():
    top = Path(os.environ.get("MQ_SHARED_DATA", "/nonexistent"))
    for name, sets, key in (("resnet8_cifar10_ft", "cifar10_calib.npz", "x"), ("kws_dscnn", "kws_dscnn_ref.npz", "input"),
                            ("ad_autoencoder", "ad_autoencoder_ref.npz", "input")):
        path = top / "models" / f"{name}.onnx"
        if path.exists():
            yield name, path, {ort.InferenceSession(str(path)).get_inputs()[0].name:
                               np.load(top / "sets" / sets)[key][:24].astype(np.float32)}


def recurrent_net():
    """Weights of recurrent operators are integers, computed in float; the product behind them takes integers."""
    w, h = weight_forms.weight, 24
    nodes, weights, x = [helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2])], [], "t"
    for op, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
        nodes += [helper.make_node(op, [x, f"{op}w", f"{op}r"], [f"{op}y"], hidden_size=h),
                  helper.make_node("Squeeze", [f"{op}y", "one"], [f"{op}s"])]
        weights += [w((1, gates * h, 32 if op == "LSTM" else h), f"{op}w", 1), w((1, gates * h, h), f"{op}r", 2)]
        x = f"{op}s"
    nodes += [helper.make_node("MatMul", [x, "w"], ["m"]), helper.make_node("Add", ["m", "b"], ["a"]),
              helper.make_node("Transpose", ["a"], ["y"], perm=[1, 0, 2])]
    weights += [w((h, 20), "w", 3), w((20,), "b", 4), numpy_helper.from_array(np.array([1], np.int64), "one")]
    return weight_forms.with_rank(weight_forms.model(nodes, [weight_forms.info("x", ["N", 6, 32])], weights), 3)


def embedding_net():
    """Integers are gathered; LayerNormalization stands before the products."""
    w = weight_forms.weight
    nodes = [helper.make_node("Gather", ["table", "x"], ["e"]),
             helper.make_node("LayerNormalization", ["e", "g", "h"], ["n"]),
             helper.make_node("MatMul", ["n", "w1"], ["m"]), helper.make_node("Sigmoid", ["m"], ["s"]),
             helper.make_node("Mul", ["m", "s"], ["a"]), helper.make_node("MatMul", ["a", "w2"], ["y"])]
    weights = [w((30, 40), "table"), w((40,), "g", 1), w((40,), "h", 2), w((40, 48), "w1", 3), w((48, 16), "w2", 4)]
    ids = weight_forms.info("x", ["N", 6], TensorProto.INT64)
    return weight_forms.with_rank(weight_forms.model(nodes, [ids], weights), 3)


def inner_net():
    """Products in a branch, and around it."""
    m = weight_forms.if_model()
    m.graph.input[0].CopyFrom(weight_forms.info("x", [8, 32]))  # the branch is chosen by all rows together
    m.graph.node[-1].output[0] = "f"
    m.graph.node.append(helper.make_node("MatMul", ["f", "last"], ["y"]))
    m.graph.initializer.append(weight_forms.weight((40, 24), "last", 5))
    return m


def moving_net():
    """What only moves values, between a convolution and float operators, in a new opset."""
    parts = {"one": [1], "first": [0], "last": [-1], "end": [8], "shape": [0, 8, -1]}
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"]), helper.make_node("Transpose", ["a"], ["b"], perm=[0, 1, 3, 2]),
             helper.make_node("Unsqueeze", ["b", "one"], ["c"]), helper.make_node("Squeeze", ["c", "one"], ["d"]),
             helper.make_node("MaxPool", ["d"], ["e"], kernel_shape=[2, 2]),
             helper.make_node("Slice", ["e", "first", "end", "last"], ["f"]), helper.make_node("Reshape", ["f", "shape"], ["g"]),
             helper.make_node("Exp", ["g"], ["y"])]
    w = weight_forms.weight((8, 8, 1, 1), "w")
    w.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(w) * np.float32(0.2), "w"))
    weights = [w, *(numpy_helper.from_array(np.array(v, np.int64), k) for k, v in parts.items())]
    return weight_forms.with_rank(weight_forms.model(nodes, [weight_forms.info("x", ["N", 8, 8, 8])], weights, 21, 10), 3)


def custom_net():
    """An operator of somebody else's in the middle: nothing behind it can be run."""
    nodes = [helper.make_node("Conv", ["x", "w1"], ["a"]), helper.make_node("Relu", ["a"], ["b"]),
             helper.make_node("Odd", ["b"], ["c"], domain="mine", name="odd"), helper.make_node("Conv", ["c", "w2"], ["y"])]
    weights = [weight_forms.weight((8, 8, 1, 1), "w1"), weight_forms.weight((8, 8, 1, 1), "w2")]
    m = weight_forms.model(nodes, [weight_forms.info("x", [1, 8, 6, 6])], weights, domains=["mine"])
    m.graph.value_info.append(weight_forms.info("c", [1, 8, 6, 6]))
    return weight_forms.with_rank(m, 4)


# ---- judging ----


def session(path):
    o = ort.SessionOptions()
    o.log_severity_level = 4
    o.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), o, providers=["CPUExecutionProvider"])


def outputs(s, feed):
    """Row by row where the model wants it so."""
    fixed = isinstance(s.get_inputs()[0].shape[0], int)
    n = len(next(iter(feed.values())))
    if not fixed or s.get_inputs()[0].shape[0] == n:
        return s.run(None, feed)
    rows = [s.run(None, {k: v[i:i + 1] for k, v in feed.items()}) for i in range(n)]
    return [np.concatenate(c) for c in zip(*rows)]


def decibels(want, got):
    signal = sum((a.astype(float) ** 2).sum() for a in want)
    noise = sum(((a.astype(float) - b) ** 2).sum() for a, b in zip(want, got))
    return 10 * np.log10(signal / max(noise, signal * 1e-15)) if signal else 150.0


def floor(name, c):
    """dB below which something is wrong, not only coarse. Divergence leaves out the few large values of a Softmax, and
    what lies beyond the many equal ones of a Concat with a Clip."""
    if c["--type"] in ("int4", "uint4") or (c["--calibration"] == "entropy" and name in ("attention_net", "conv_net")):
        return 3
    coarse = c["--calibration"] in ("entropy", "ema") or c["reduce"] or c["--op-types"] or c["grain"] == "--per-tensor"
    return 10 if coarse else 15


def inner_graphs(graph):
    """The graph and all inside it."""
    yield graph
    for n in graph.node:
        for a in n.attribute:
            for g in [a.g] if a.HasField("g") else a.graphs:
                yield from inner_graphs(g)


def names_read(graph):
    """What nodes and outputs read, those of inner graphs included."""
    for g in inner_graphs(graph):
        yield from (o.name for o in g.output)
        yield from (x for n in g.node for x in n.input)


def edges(m):
    """name: (scale, zero point, type) of inputs and outputs that hold integers"""
    props = {p.key: p.value for p in m.metadata_props}
    return {v.name: (np.float32(props[f"mq.io.{v.name}.scale"]), int(props[f"mq.io.{v.name}.zero_point"]),
                     helper.tensor_dtype_to_np_dtype(v.type.tensor_type.elem_type))
            for v in [*m.graph.input, *m.graph.output] if f"mq.io.{v.name}.scale" in props}


def quantized(feed, known):
    def one(x, scale, zero, dtype):
        return np.asarray(np.clip(np.rint(x / scale) + zero, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype))

    return {k: one(v, *known[k]) if k in known else v for k, v in feed.items()}


def real_numbers(s, values, known):
    return [(v.astype(np.float32) - known[o.name][1]) * known[o.name][0] if o.name in known else v
            for o, v in zip(s.get_outputs(), values)]


class Judge:
    def __init__(self, mq, folder):
        self.mq, self.out, self.engine, self.data = mq, folder / "q.onnx", folder / "engine.npz", folder / "calib.npz"
        self.float = {}
        self.lowest = Counter()

    def run(self, *args):
        return subprocess.run([self.mq, *map(str, args)], capture_output=True, text=True, timeout=120)

    def judge(self, name, path, feed, c):
        """'ok' or 'refused', else what is wrong."""
        self.out.unlink(missing_ok=True)
        p = self.run("quantize", path, "-o", self.out, "-q", "--data", self.data, "--max-size", "none", "--verify", "load",
                     *options(c))
        why = refused(c)
        if why:
            good = p.returncode == 2 and why in p.stderr and not self.out.exists()
            return "refused" if good else f"exit status {p.returncode}, and not 2 naming '{why}': {p.stderr}"
        if p.returncode:
            return f"exit status {p.returncode}: {p.stderr}"
        try:
            m = onnx.load(self.out)
            onnx.checker.check_model(m, full_check=True)
            s = session(self.out)
        except Exception as e:  # whatever they refuse it with
            return f"{type(e).__name__}: {str(e)[:900]}"
        return self.structure(name, m, path, c) or self.values(name, path, feed, c, s, edges(m)) or "ok"

    def stranger(self, path, feed, c):
        """A model nobody has looked at: 'nothing' when it has no weight, else the same without a floor."""
        self.out.unlink(missing_ok=True)
        inputs = onnx.load(path).graph.input
        names = {d.dim_param for i in inputs for d in i.type.tensor_type.shape.dim if d.dim_param}
        p = self.run("quantize", path, "-o", self.out, "-q", "--data", "random:2", "--max-size", "none", "--verify", "run",
                     *[w for d in sorted(names) for w in ("--dim", f"{d}={3 if d == 'N' else 5}")], *options(c))
        if p.returncode == 4 and ("nothing to quantize" in p.stderr or "had no value during calibration" in p.stderr):
            return "nothing"
        if p.returncode == 2 and any(w in p.stderr for w in ("quantized already", "'*' matches nothing", "is float",
                                                             "only float tensors are quantized")):
            return "nothing"
        if p.returncode:
            return f"exit status {p.returncode}: {p.stderr}"
        try:
            m = onnx.load(self.out)
            onnx.checker.check_model(m, full_check=True)
            want, s, known = session(path).run(None, feed), session(self.out), edges(m)
            got = real_numbers(s, s.run(None, quantized(feed, known)), known)
        except Exception as e:  # as above
            return f"{type(e).__name__}: {str(e)[:900]}"
        if [(a.shape, a.dtype) for a in want] != [(a.shape, a.dtype) for a in got]:
            return "outputs of other shapes or types"
        return self.structure(None, m, path, c) or "ok"

    def integers(self, path):
        """What is wrong with the default form: ONNX Runtime computes every product of it with integers."""
        p = self.run("quantize", path, "-o", self.out, "-f", "-q", "--data", self.data, "--max-size", "none", "--verify", "load")
        o = ort.SessionOptions()
        o.optimized_model_filepath = str(self.out.with_name("optimized.onnx"))
        o.log_severity_level = 4
        ort.InferenceSession(str(self.out), o, providers=["CPUExecutionProvider"])
        left = [n.op_type for n in onnx.load(o.optimized_model_filepath).graph.node if n.op_type in ("Conv", "Gemm", "MatMul")]
        return f"exit status {p.returncode}, floats: {left}" if p.returncode or left else None

    def partial(self, path):
        """What is wrong with a model that can be run in part only: that part is quantized, and the rest is said."""
        onnx.save(custom_net(), path)
        p = self.run("quantize", path, "-o", self.out, "--data", "random:2", "--max-size", "none", "--verify", "load")
        if p.returncode or "'odd' (mine::Odd 1) has no kernel" not in p.stderr or "stay in float" not in p.stderr:
            return f"exit status {p.returncode}: {p.stderr}"
        m = onnx.load(self.out)
        onnx.checker.check_model(m)
        quantized = [n.input[0] for n in m.graph.node if n.op_type == "QuantizeLinear"]
        return None if quantized == ["x", "b_unquantized"] else f"quantized: {quantized}"

    def inner(self, path):
        """What is wrong with a model whose branches have products: their weights are integers, and that is said."""
        onnx.save(inner_net(), path)
        p = self.run("quantize", path, "-o", self.out, "-f", "--data", "random:2", "--max-size", "none", "--verify", "load")
        if p.returncode or "2 products inside If, Loop or Scan (as 'e') stay float" not in p.stderr:
            return f"exit status {p.returncode}: {p.stderr}"
        m = onnx.load(self.out)
        floats = [t.name for g in inner_graphs(m.graph) for t in g.initializer
                  if t.data_type == TensorProto.FLOAT and len(t.dims) > 1]
        quantized = [n.input[0] for n in m.graph.node if n.op_type == "QuantizeLinear"]
        return None if not floats and quantized == ["f_unquantized"] else f"floats {floats}, quantized {quantized}"

    def structure(self, name, m, path, c):
        used = set(names_read(m.graph))
        before = onnx.load(path).graph
        idle = {t.name for t in before.initializer} - set(names_read(before))
        dead = {t.name for t in before.initializer if name is None}  # inner graphs read some, and a node may read one twice
        unused = {t.name for t in m.graph.initializer} - used - idle - dead
        if unused:
            return f"unused initializers: {sorted(unused)[:3]}"
        if [o.name for o in m.graph.output] != [o.name for o in before.output]:
            return "other outputs"
        inits = {t.name for t in before.initializer}
        if [i.name for i in m.graph.input] != [i.name for i in before.input if i.name not in inits]:
            return "other inputs"
        floats = [v.name for v in [*m.graph.input, *m.graph.output] if v.type.tensor_type.elem_type == TensorProto.FLOAT]
        if name and bool(floats) == bool(c["--io-type"]):
            return f"float at the edges: {floats}"
        if name and not any(n.op_type in ("QuantizeLinear", "QLinearConv", "QLinearMatMul", "QGemm") for n in m.graph.node):
            return "no activation is quantized"
        return None

    def values(self, name, path, feed, c, s, known):
        want = self.float.setdefault(name, None) or outputs(session(path), feed)
        self.float[name] = want
        try:
            got = outputs(s, quantized(feed, known))
        except Exception as e:  # some mistakes are found when a kernel runs
            return f"{type(e).__name__}: {str(e)[:900]}"
        p = self.run("run", self.out, "--data", self.data, "-o", self.engine, "-f", "-q")
        if p.returncode:
            return f"the engine: {p.stderr}"
        mine = np.load(self.engine)
        mine = [mine[o.name].reshape(g.shape) for o, g in zip(s.get_outputs(), got)]
        got, mine = real_numbers(s, got, known), real_numbers(s, mine, known)
        near, alike = decibels(want, got), decibels(got, mine)
        self.lowest[name] = min(self.lowest.get(name, 999), near)
        if not near >= floor(name, c):
            return f"{near:.1f} dB from float"
        if not alike >= near + 3 and not alike >= 35:  # a rounding may differ in the last bit, and what follows from it
            return f"the engine differs from ONNX Runtime: {alike:.1f} dB, both from float {near:.1f} dB"
        return None


def forms(folder):
    """Every form of weight that quantize knows: path, feed."""
    sizes, rng = {"N": 3, "S": 5}, np.random.default_rng(3)
    for name, m in weight_forms.all_models():
        path, feed = folder / "form.onnx", {}
        weights = {t.name for t in m.graph.initializer}
        for i in m.graph.input:
            dims = [sizes[d.dim_param] if d.dim_param else d.dim_value for d in i.type.tensor_type.shape.dim]
            kind = helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type)
            if i.name not in weights:
                feed[i.name] = (rng.standard_normal(dims) if kind == np.float32 else rng.integers(0, 30, dims)).astype(kind)
        onnx.save(m, path)
        yield name, path, feed


def with_outputs(m):
    """Outputs of a type that inference has found: the generator leaves their shapes out."""
    known = {v.name: v for v in onnx.shape_inference.infer_shapes(m).graph.value_info}
    for o in m.graph.output:
        if o.name in known:
            o.CopyFrom(known[o.name])
    return m


def drawn(folder, first, count):
    """Random graphs that ONNX Runtime takes."""
    for seed in range(first, first + count):
        try:
            maker = random_patterns.Patterns(seed)
            m, feed = maker.model(), maker.feeds(random_patterns.SIZES[0])
            m = onnx.shape_inference.infer_shapes(with_outputs(m))
            if not all(o.type.tensor_type.HasField("shape") for o in m.graph.output):
                continue
            onnx.save(m, folder / "drawn.onnx")
            session(folder / "drawn.onnx").run(None, feed)
        except Exception:  # it is the generator's, and counted by engine_random.py
            continue
        yield f"random graph {seed}", folder / "drawn.onnx", feed


class Tally:
    def __init__(self, seconds):
        self.end, self.seen, self.wrong, self.skipped = time.monotonic() + seconds, Counter(), 0, 0

    def late(self):
        self.skipped += time.monotonic() > self.end
        return time.monotonic() > self.end

    def add(self, name, c, verdict):
        good = verdict in ("ok", "refused", "nothing")
        self.seen[verdict if good else "wrong"] += 1
        if not good:
            self.wrong += 1
            print(f"{name} {' '.join(options(c))}: {verdict}", flush=True)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("mq")
    a.add_argument("testdata", type=Path)
    a.add_argument("--long", action="store_true")
    a.add_argument("--all", action="store_true")
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--seconds", type=float)
    a = a.parse_args()
    table = [dict(zip(AXES, row)) for row in itertools.product(*AXES.values())]
    works = [c for c in table if not refused(c)]
    rng, start = np.random.default_rng(a.seed), time.monotonic()
    tally = Tally(a.seconds or (36000 if a.all else 3600 if a.long else 120))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        judge = Judge(a.mq, folder)
        for what, complaint in (("a model that can be run in part", judge.partial(folder / "custom.onnx")),
                                ("products in branches", judge.inner(folder / "inner.onnx"))):
            if complaint:
                tally.wrong += 1
                print(f"{what}: {complaint}")
        models = [*made(folder), *given(a.testdata), *real()]
        if a.all:
            tries = [(i % len(models), {**c, **draw(rng, FREE)}) for i, c in enumerate(table)]
        elif a.long:
            tries = [(i, c) for i in range(len(models)) for c in [*covering(rng), *refusals(rng, 60)]]
        else:
            tries = [(i % len(models), c) for i, c in enumerate([*covering(rng), *covering(rng), *refusals(rng, 60)])]
        for i, (name, path, feed) in enumerate(models):
            np.savez(judge.data, **feed)
            complaint = judge.integers(path) if name in INTEGERS else None
            if complaint:
                tally.wrong += 1
                print(f"{name}: {complaint}")
            for c in [c for at, c in tries if at == i and not tally.late()]:
                tally.add(name, c, judge.judge(name, path, feed, c))
        cover = covering(rng)
        strangers = itertools.chain(forms(folder), drawn(folder, 0, 600 if a.long or a.all else 40))
        for i, (name, path, feed) in enumerate(strangers):
            for c in cover[i % len(cover):i % len(cover) + (8 if a.long or a.all else 1)]:
                if not tally.late():
                    tally.add(name, c, judge.stranger(path, feed, c))
    print(f"{len(table)} combinations of what can contradict each other, {len(works)} that work; "
          f"tried {sum(tally.seen.values())}: {dict(tally.seen)} in {time.monotonic() - start:.0f} s"
          f"{f', {tally.skipped} left out for time' if tally.skipped else ''}")
    print("lowest dB from float: " + ", ".join(f"{k} {v:.1f}" for k, v in judge.lowest.items()))
    return tally.wrong > 0


sys.exit(main())
