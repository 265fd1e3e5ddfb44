#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Static quantization in every combination of its options: what is written passes onnx.checker, loads in ONNX Runtime, keeps
no unused constant, is near the float model there, and gives in the engine what it gives there; what cannot work is a usage
error that says why.

usage: static_modes.py MQ TESTDATA [--long] [--seed N]

A table of all combinations is made; each model gets a part of it (--long: a larger one) in which every pair of values comes
up over the models. Real models of $MQ_SHARED_DATA join when they are there. Needs onnx, onnxruntime and numpy."""
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

import weight_forms

ort.set_default_logger_severity(4)

AXES = {
    "--format": ("qdq", "qoperator"),
    "--act-type": (None, "uint8", "int8", "uint16", "int16"),
    "act": (None, "--act-symmetric", "--act-asymmetric"),
    "--type": ("int8", "uint8", "int4", "int16"),
    "weights": (None, "--per-tensor", "--symmetric", "--asymmetric", "--reduce-range"),
    "--target": (None, "onnxruntime,x64-avx2", "tensorrt", "c", "portable"),
    "--calibration": (None, "minmax", "ema", "percentile", "entropy", "mse"),
}
EIGHT = ("int8", "uint8", None)


def refused(c):
    """What the message has to name when the combination cannot work; None: it can."""
    target = (c["--target"] or "").split(",")[0]
    strict = target in ("tensorrt", "portable")
    if c["--type"] not in EIGHT and c["weights"] == "--reduce-range":
        return "--reduce-range"
    if c["--format"] == "qoperator" and c["--type"] not in EIGHT:
        return "--format qoperator"
    if (strict and c["--type"] != "int8") or (target == "c" and c["--type"] not in EIGHT):
        return f"--type {c['--type']}: --target {target}"
    if strict and c["weights"] == "--asymmetric":
        return "--asymmetric: --target"
    if c["--format"] == "qoperator" and (strict or target == "c"):
        return "--format qoperator: --target"
    if c["--format"] == "qoperator" and (
            c["--act-type"] not in EIGHT or (c["--act-type"], c["--type"]) == ("int8", "uint8")):
        return "--format qoperator"
    if (strict and c["--act-type"] not in ("int8", None)) or (target == "c" and c["--act-type"] not in EIGHT):
        return f"--act-type {c['--act-type']}: --target {target}"
    if strict and c["act"] == "--act-asymmetric":
        return "--act-asymmetric: --target"
    return None


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
                                                           as_input=True), (8, 8, 12, 12))):
        onnx.save(m, folder / f"{name}.onnx")
        yield name, folder / f"{name}.onnx", {"x": rng.standard_normal(shape, np.float32)}


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
    if name in ("attention_net", "conv_net") and c["--calibration"] == "entropy":
        return 3
    if c["--type"] == "int4":
        return 3
    return 10 if c["--calibration"] in ("entropy", "ema") or c["weights"] == "--reduce-range" else 15


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
        return self.structure(m, path) or self.values(name, path, feed, c, s) or "ok"

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

    def structure(self, m, path):
        used = {x for n in m.graph.node for x in n.input} | {o.name for o in m.graph.output}
        before = onnx.load(path).graph
        idle = {t.name for t in before.initializer} - {x for n in before.node for x in n.input}
        unused = {t.name for t in m.graph.initializer} - used - idle
        if unused:
            return f"unused initializers: {sorted(unused)[:3]}"
        if [o.name for o in m.graph.output] != [o.name for o in before.output]:
            return "other outputs"
        inits = {t.name for t in before.initializer}
        if [i.name for i in m.graph.input] != [i.name for i in before.input if i.name not in inits]:
            return "other inputs"
        if not any(n.op_type in ("QuantizeLinear", "QLinearConv", "QLinearMatMul") for n in m.graph.node):
            return "no activation is quantized"
        return None

    def values(self, name, path, feed, c, s):
        want = self.float.setdefault(name, None) or outputs(session(path), feed)
        self.float[name] = want
        try:
            got = outputs(s, feed)
        except Exception as e:  # some mistakes are found when a kernel runs
            return f"{type(e).__name__}: {str(e)[:900]}"
        p = self.run("run", self.out, "--data", self.data, "-o", self.engine, "-f", "-q")
        if p.returncode:
            return f"the engine: {p.stderr}"
        mine = np.load(self.engine)
        mine = [mine[o.name].reshape(g.shape) for o, g in zip(s.get_outputs(), got)]
        near, alike = decibels(want, got), decibels(got, mine)
        self.lowest[name] = min(self.lowest.get(name, 999), near)
        if not near >= floor(name, c):
            return f"{near:.1f} dB from float"
        if not alike >= near + 3 and not alike >= 35:  # a rounding may differ in the last bit, and what follows from it
            return f"the engine differs from ONNX Runtime: {alike:.1f} dB, both from float {near:.1f} dB"
        return None


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("mq")
    a.add_argument("testdata", type=Path)
    a.add_argument("--long", action="store_true")
    a.add_argument("--seed", type=int, default=1)
    a = a.parse_args()
    table = [dict(zip(AXES, row)) for row in itertools.product(*AXES.values())]
    works, fails = [c for c in table if not refused(c)], [c for c in table if refused(c)]
    rng, start = np.random.default_rng(a.seed), time.monotonic()
    seen, wrong, skipped = Counter(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(a.mq, Path(folder))
        complaint = judge.partial(Path(folder) / "custom.onnx")
        if complaint:
            wrong += 1
            print(f"a model that can be run in part: {complaint}")
        for name, path, feed in [*made(Path(folder)), *given(a.testdata), *real()]:
            np.savez(judge.data, **feed)
            chosen = [*rng.choice(works, 120 if a.long else 24, replace=False),
                      *rng.choice(fails, 60 if a.long else 8, replace=False)]
            for c in chosen:
                if not a.long and time.monotonic() - start > 90:
                    skipped += 1
                    continue
                verdict = judge.judge(name, path, feed, c)
                seen[verdict if verdict in ("ok", "refused") else "wrong"] += 1
                if verdict not in ("ok", "refused"):
                    wrong += 1
                    print(f"{name} {' '.join(options(c))}: {verdict}")
    print(f"{len(table)} combinations, {len(works)} that work; tried {sum(seen.values())}: {dict(seen)}"
          f"{f', {skipped} left out for time' if skipped else ''}")
    print("lowest dB from float: " + ", ".join(f"{k} {v:.1f}" for k, v in judge.lowest.items()))
    return wrong > 0


sys.exit(main())
