#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""mq check --layers on planted faults, and on what ONNX Runtime's quantizers write.

usage: layers_models.py MQ TESTDATA

Faults: models that mq quantizes are edited so that one layer is at fault: the range of its input clipped, its zero point moved,
its weights such that sums of two products leave 16 bits. That layer has to come first, with that cause. ONNX Runtime's
static QDQ and QOperator models and its dynamic ones: every layer is found, nothing is left over, and what a layer loses
alone is what ONNX Runtime gives with only that layer quantized. With real models of $MQ_SHARED_DATA when they are
there. Needs onnx, onnxruntime and numpy."""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static

ort.set_default_logger_severity(4)
MQ, WORK = None, None
failures = []
checks = 0


def check(ok, text):
    global checks
    checks += 1
    if not ok:
        failures.append(text)
        print("FAIL", text)


def mq(*args):
    return subprocess.run([MQ, *map(str, args)], capture_output=True, text=True, timeout=600)


def layers(model, reference, data, *more):
    p = mq("check", model, "--against", reference, "--data", data, "--layers", "--min-sqnr", -100, "--json", *more)
    check(p.returncode in (0, 1) and p.stdout, f"{model}: exit {p.returncode}: {p.stderr}")
    r = json.loads(p.stdout) if p.stdout else {}
    return r.get("layers", []), [w["code"] for w in r.get("warnings", [])]


def constants(m):
    return {t.name: t for t in m.graph.initializer}


def put(m, name, array):
    t = constants(m)[name]
    t.CopyFrom(numpy_helper.from_array(np.asarray(array), name))


def convs(m):
    return [n for n in m.graph.node if n.op_type == "Conv"]


def own_parameters(m, node):
    """Names of scale and zero point of the node's first input, which nobody else has afterwards."""
    dq = next(n for n in m.graph.node if node.input[0] in n.output)
    q = next(n for n in m.graph.node if dq.input[0] in n.output)
    named = constants(m)
    for i, end in ((1, "_planted_scale"), (2, "_planted_zero")):
        m.graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(named[q.input[i]]), node.name + end))
        q.input[i] = dq.input[i] = node.name + end
    return node.name + "_planted_scale", node.name + "_planted_zero"


def sole_reader(m, node):
    dq = next((n for n in m.graph.node if node.input[0] in n.output and n.op_type == "DequantizeLinear"), None)
    q = next((n for n in m.graph.node if dq and dq.input[0] in n.output and n.op_type == "QuantizeLinear"), None)
    readers = [n for n in m.graph.node if node.input[0] in n.input]
    return q is not None and len(readers) == 1


def planted(name, quantized, reference, data):
    for fault, cause in (("range", "clipped-range"), ("zero", "zero-point")):
        m = onnx.load(quantized)
        at = [n for n in convs(m) if sole_reader(m, n)][1]
        scale, zero = own_parameters(m, at)
        if fault == "range":
            put(m, scale, numpy_helper.to_array(constants(m)[scale]) / np.float32(6))
        else:
            z = numpy_helper.to_array(constants(m)[zero])
            put(m, zero, (z.astype(int) + (100 if z < 128 else -100)).astype(z.dtype))
        onnx.save(m, WORK / "fault.onnx")
        found, _ = layers(WORK / "fault.onnx", reference, data)
        weight = next(n for n in m.graph.node if at.input[1] in n.output).output[0]
        want = next(n.name for n in convs(onnx.load(reference)) if n.input[1] in (weight, at.input[1]))
        first = found[0] if found else {}
        check(first.get("name") == want and first.get("cause") == cause,
              f"{name}, {fault}: want {want}, {cause}; got {first}")


def saturating(name, reference, data):
    """The first convolution averages: bright images make large sums of large weights."""
    m = onnx.load(reference)
    at = convs(m)[0]
    w = numpy_helper.to_array(constants(m)[at.input[1]])
    sign = np.where(np.arange(w.shape[0]) % 2, -1, 1).reshape(-1, *[1] * (w.ndim - 1))
    size = np.float32(np.abs(w).mean())
    put(m, at.input[1], (np.ones_like(w) * sign * size).astype(np.float32))
    onnx.save(m, WORK / "even.onnx")
    p = mq("quantize", WORK / "even.onnx", "--data", data, "--target", "onnxruntime,x64-avx2", "--samples", 16, "-f", "-q",
           "--verify", "none", "-o", WORK / "even_q.onnx")
    check(p.returncode == 0, p.stderr)
    q = onnx.load(WORK / "even_q.onnx")
    node = convs(q)[0]
    dq = next(n for n in q.graph.node if node.input[1] in n.output)
    codes = numpy_helper.to_array(constants(q)[dq.input[0]])
    scales = numpy_helper.to_array(constants(q)[dq.input[1]])
    weights = (codes.astype(np.float32).reshape(codes.shape[0], -1) * scales.reshape(-1, 1)).reshape(codes.shape)
    put(q, dq.input[1], np.full_like(scales, np.abs(weights).max() / 127))
    put(q, dq.input[0], np.rint(weights / (np.abs(weights).max() / 127)).astype(np.int8))
    onnx.save(q, WORK / "even_q.onnx")
    found, _ = layers(WORK / "even_q.onnx", WORK / "even.onnx", data, "--samples", 16, "--target", "onnxruntime,x64-avx2")
    first = found[0] if found else {}
    check(first.get("name") == at.name and first.get("cause") == "saturation", f"{name}, saturation: {first}")
    found, _ = layers(WORK / "even_q.onnx", WORK / "even.onnx", data, "--samples", 16)
    check(all(x.get("cause") != "saturation" for x in found), f"{name}: saturation without that CPU")


# ---- ONNX Runtime ----------------------------------------------------------------------------------------------------


class Reader(CalibrationDataReader):
    def __init__(self, feeds):
        self.feeds = iter(feeds)

    def get_next(self):
        return next(self.feeds, None)


def run(m, feed, names):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    m = onnx.ModelProto.FromString(m.SerializeToString())
    del m.graph.output[:]
    m.graph.output.extend(helper.make_empty_tensor_value_info(n) for n in names)
    return ort.InferenceSession(m.SerializeToString(), options).run(None, feed)


def sqnr(a, b):
    return 10 * np.log10((b.astype(float) ** 2).sum() / ((a.astype(float) - b) ** 2).sum())


def own_by_onnxruntime(m, q, node, feed):
    """With only this layer quantized: its weight's values of q, its input through q's integers."""
    other = next(n for n in q.graph.node if n.name == node.name)
    named = constants(q)
    dq = [next(n for n in q.graph.node if other.input[i] in n.output) for i in (0, 1)]
    w, s, z = (numpy_helper.to_array(named[i]) for i in dq[1].input)
    shape = [-1] + [1] * (w.ndim - 1) if s.size > 1 else []
    m = onnx.ModelProto.FromString(m.SerializeToString())
    at = next(n for n in m.graph.node if n.name == node.name)
    put(m, at.input[1], ((w.astype(np.float32) - z.reshape(shape)) * s.reshape(shape)).astype(np.float32))
    if len(other.input) > 2: # the bias in its int32
        b = next(n for n in q.graph.node if other.input[2] in n.output)
        v, s = (numpy_helper.to_array(named[i]) for i in b.input[:2])
        put(m, at.input[2], (v.astype(np.float64) * s).astype(np.float32))
    m.graph.initializer.extend([named[i] for i in dq[0].input[1:]])
    at_node = list(m.graph.node).index(at)
    for n in (helper.make_node("DequantizeLinear", ["lq", *dq[0].input[1:]], ["ldq"]),
              helper.make_node("QuantizeLinear", [at.input[0], *dq[0].input[1:]], ["lq"])):
        m.graph.node.insert(at_node, n)
    at.input[0] = "ldq"
    return run(m, feed, [at.output[0]])[0]


def written_by_onnxruntime(name, reference, inputs, data, compare):
    m = onnx.load(reference)
    feed_name = next(iter(inputs))
    feeds = [{feed_name: inputs[feed_name][i:i + 1]} for i in range(len(inputs[feed_name]))]
    want = {n.name for n in convs(m)}
    for form, per_channel in (("qdq", False), ("qdq", True), ("qoperator", False), ("dynamic", False)):
        out = WORK / "ort.onnx"
        if form == "dynamic":
            quantize_dynamic(reference, out)
        else:
            quantize_static(reference, out, Reader(feeds), per_channel=per_channel,
                            quant_format=QuantFormat.QDQ if form == "qdq" else QuantFormat.QOperator)
        found, warnings = layers(out, reference, data)
        got = {x["name"]: x for x in found}
        check(want <= set(got), f"{name}, {form}: not found: {want - set(got)}")
        check("layers-unmatched" not in warnings, f"{name}, {form}: {warnings}")
        check(all(isinstance(got[n].get("accumulated_db"), float) and isinstance(got[n].get("own_db"), float)
                  for n in want & set(got)), f"{name}, {form}: figures are missing")
        if form != "qdq" or not compare:
            continue
        feed = {feed_name: inputs[feed_name]}
        q = onnx.load(out)
        for n in [n for n in convs(m) if n.output[0] in {o for k in q.graph.node for o in k.output}]:
            right, alone = run(m, feed, [n.output[0]])[0], own_by_onnxruntime(m, q, n, feed)
            have = got.get(n.name, {})
            if have.get("tensor") == n.output[0]:
                check(abs(sqnr(alone, right) - have["own_db"]) < 0.1,
                      f"{name}, {form}: {n.name}: {have['own_db']:.2f} dB, ONNX Runtime {sqnr(alone, right):.2f} dB")


def models(testdata):
    """(name, path, arrays)"""
    digits = np.load(testdata / "digits.npz")["test_x"][:32].astype(np.float32) / 16
    yield "digits_cnn", testdata / "digits_cnn.onnx", {"input": digits}
    shared = Path(os.environ.get("MQ_SHARED_DATA", "/nonexistent"))
    if (shared / "models/resnet8_cifar10_ft.onnx").exists():
        x = np.load(shared / "sets/resnet8_cifar10_ft_ref.npz")["input"][:32]
        yield "resnet8", shared / "models/resnet8_cifar10_ft.onnx", {"input": x}
    if (shared / "models/squeezenet1.1.onnx").exists() and (shared / "sets/imagenet_calib").is_dir():
        spec = shared / "sets/imagenet_preprocess.json"
        p = mq("run", shared / "models/squeezenet1.1.onnx", "--data", shared / "sets/imagenet_calib", "--preprocess", spec,
               "--samples", 4, "--outputs", "data", "-o", WORK / "images.npz", "-q", "-f")
        check(p.returncode == 0, p.stderr)
        yield "squeezenet1.1", shared / "models/squeezenet1.1.onnx", {"data": np.load(WORK / "images.npz")["data"]}


def main():
    global MQ, WORK
    MQ = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        WORK = Path(folder)
        n = 0
        for name, path, inputs in models(Path(sys.argv[2])):
            data = WORK / f"{name}.npz"
            np.savez(data, **inputs)
            p = mq("quantize", path, "--data", data, "--smooth", "none", "--verify", "none", "-q", "-f", "-o", WORK / "q.onnx")
            check(p.returncode == 0, p.stderr)
            planted(name, WORK / "q.onnx", path, data)
            saturating(name, path, data)
            written_by_onnxruntime(name, path, inputs, data, compare=True)
            n += 1
    print(f"{n} models, {checks} checks, {len(failures)} failures")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
