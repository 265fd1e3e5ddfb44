#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Compares models with themselves after their opset was raised.

usage: opset_raise.py OPSET_RAISE [PATH...] [--to N,N] [--list]

1. The rows of the adapter table are those that onnx's schemas ask for.
2. Small models of an older version, one or more for each adapter and each choice in it, are raised step by step.
3. PATHs are models, or folders searched for *.onnx. Models of one node are also tried at each older version in which
   their operator has another form, where onnx's checker takes them there.
Every raised model must pass onnx.checker (where it did before) and give the outputs it gave before, in ONNX Runtime or,
where that does not run the model, in onnx's reference. A model that mq refuses to raise must be one that may be refused.
Needs the PyPI packages onnx, onnxruntime and numpy.
"""
import argparse
import collections
import copy
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

NEWEST_ORT = 26
OLDEST = 7
RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
# Rows that onnx's list does not ask for: operators that ONNX Runtime had in ai.onnx before onnx did.
EARLY = {("LayerNormalization", 17), ("MeanVarianceNormalization", 9), ("ThresholdedRelu", 10)}

ort.set_default_logger_severity(4)
warnings.filterwarnings("ignore")
np.seterr(all="ignore")


class Tally(collections.Counter):
    def __init__(self):
        super().__init__()
        self.failures = []
        self.notes = []

    def fail(self, what, why):
        self["failed"] += 1
        self.failures.append("%s: %s" % (what, why))


class Raiser:
    """The program, kept running, and a folder for files."""

    def __init__(self, program, folder):
        self.folder = Path(folder)
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, model, to):
        """model: a ModelProto or a path. Gives (path or None, status, text)."""
        path, out = model, self.folder / "raised.onnx"
        if isinstance(model, onnx.ModelProto):
            path = self.folder / "model.onnx"
            path.write_bytes(model.SerializeToString())
        self.process.stdin.write("%s\t%d\t%s\n" % (path, to, out))
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the program ended at %s -> %d" % (path, to))
        status, _, text = line.rstrip("\n").partition("\t")
        return (out if status == "ok" else None), status, text


def opset_of(model):
    return next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)


def run_ort(model, feeds):
    opts = ort.SessionOptions()
    opts.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    opts.intra_op_num_threads = 1
    data = model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model)
    return ort.InferenceSession(data, opts, providers=["CPUExecutionProvider"]).run(None, feeds)


def run_reference(model, feeds):
    if not isinstance(model, onnx.ModelProto):
        model = onnx.load(str(model))
    return ReferenceEvaluator(model).run(None, feeds)


def same(a, b, bound=1e-6):
    if isinstance(a, (list, tuple)) or isinstance(b, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(same(x, y, bound) for x, y in zip(a, b))
    if a is None or b is None or isinstance(a, dict) or isinstance(b, dict):
        return a == b
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind not in "fc":
        return a.tobytes() == b.tobytes() if a.dtype.kind != "O" else bool((a == b).all())
    finite = np.abs(a[np.isfinite(a)].astype(np.complex128))
    return bool(np.allclose(a, b, rtol=bound, atol=bound * max(1, finite.max(initial=0)), equal_nan=True))


def random_nodes(graph):
    for n in graph.node:
        if n.op_type in RANDOM or (n.op_type == "Dropout" and len(n.input) > 2):
            return True
        if any(random_nodes(a.g) for a in n.attribute if a.HasField("g")):
            return True
    return False


class Compare:
    """Outputs before, each engine once; after, in the same engine."""

    def __init__(self, model, feeds):
        self.model, self.feeds, self.engine, self.before = model, feeds, None, None
        for engine in (run_ort, run_reference):
            try:
                self.before = engine(model, feeds)
                self.engine = engine
                return
            except Exception:  # what an engine does not know shows in many ways
                pass

    def __call__(self, path, to):
        """None: equal. A text: what is wrong. False: nothing could be compared."""
        if self.engine is None:
            return False
        why = None
        for engine in dict.fromkeys([self.engine, run_reference] if to <= NEWEST_ORT else [run_reference]):
            try:
                after = engine(path, self.feeds)
            except Exception as e:
                why = "%s: %s" % (engine.__name__, str(e)[:300])
                continue
            if same(list(self.before), list(after)) or (engine is not self.engine and self.same_as(engine, after)):
                return None
            return "%s: outputs differ" % engine.__name__
        # An engine may just not have the newer version of an operator, and the reference does not have them all.
        return False if "NOT_IMPLEMENTED" in why or "run_reference" in why else why

    def same_as(self, engine, after):
        """Another engine rounds differently, and may differ before as well."""
        if same(list(self.before), list(after), 1e-4):
            return True
        try:
            return same(list(engine(self.model, self.feeds)), list(after))
        except Exception:
            return False


def passes_checker(path):
    try:
        onnx.checker.check_model(str(path))
        return None
    except Exception as e:
        return "checker: %s" % str(e)[:300]


def check_raise(tally, raiser, what, model, feeds, targets, may_refuse=False, given_path=None):
    """Raises model (a ModelProto) to each target and compares."""
    source = given_path or model
    compare = Compare(model if given_path is None else given_path, feeds) if feeds is not None else None
    for to in targets:
        path, status, text = raiser(source, to)
        label = "%s, %d -> %d" % (what, opset_of(model), to)
        if path is None:
            tally["refused"] += 1
            if status != "unsupported" or not may_refuse:
                tally.fail(label, "%s: %s" % (status, text))
            else:
                tally.notes.append("%s: %s" % (label, text))
            continue
        tally["raised"] += 1
        why = passes_checker(path) if passes_checker(given_path or raiser.folder / "model.onnx") is None else None
        if why:
            tally.fail(label, why)
            continue
        verdict = compare(path, to) if compare and not random_nodes(model.graph) else False
        if verdict is None:
            tally["equal"] += 1
        elif verdict is False:
            tally["not compared"] += 1
            tally.notes.append("%s: not compared" % label)
        else:
            tally.fail(label, verdict)


# ---- 1. rows -------------------------------------------------------------------------------------------------------


def check_rows(tally, program):
    got = set()
    for line in subprocess.run([program, "--rows"], check=True, capture_output=True, text=True).stdout.splitlines():
        name, to = line.split("\t")
        got.add((name, int(to)))
    history = collections.defaultdict(list)
    for s in onnx.defs.get_all_schemas_with_history():
        if s.domain == "":
            history[s.name].append(s.since_version)
    want = {(n, v) for n, vs in history.items() for v in vs if v > OLDEST and v != min(vs)}
    for row in sorted(want - got):
        tally.fail("rows", "missing %s %d" % row)
    for row in sorted(got - want - EARLY):
        tally.fail("rows", "%s %d is not asked for" % row)
    tally["rows"] = len(got)
    return history


# ---- 2. models of old versions -------------------------------------------------------------------------------------

F, D, H, I64, I32, BOOL = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT64,
                           TensorProto.INT32, TensorProto.BOOL)
NP = helper.tensor_dtype_to_np_dtype
value_info = helper.make_tensor_value_info
rng = np.random.RandomState(7)


def data(shape, dtype=F):
    a = rng.randn(*shape) * 3
    return a.astype(NP(dtype))


def model_of(op, version, inputs, n_out=1, consts=(), shapes="fixed", out_types=None, **attrs):
    """One node. inputs: list of arrays or None (absent); those whose index is in consts are initializers. shapes: 'fixed'
    or 'symbols' in the declarations, or 'none': the node's inputs come out of a Reshape to a shape that is fed.
    out_types: of outputs, when not that of input 0. Outputs are declared without a shape (see declare_outputs)."""
    names, infos, inits, feeds, nodes = [], [], [], {}, []
    for i, x in enumerate(inputs):
        name = "" if x is None else "x%d" % i
        names.append(name)
        if x is None:
            continue
        if i in consts:
            inits.append(numpy_helper.from_array(x, name))
            continue
        dims = list(x.shape) if shapes == "fixed" else ["d%d_%d" % (i, k) for k in range(x.ndim)]
        infos.append(value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), dims))
        feeds[name] = x
        if shapes == "none":
            infos.append(value_info("s%d" % i, I64, ["n%d" % i]))
            feeds["s%d" % i] = np.array(x.shape, np.int64)
            nodes.append(helper.make_node("Reshape", [name, "s%d" % i], ["r%d" % i]))
            names[-1] = "r%d" % i
    outs = ["y%d" % i for i in range(n_out)]
    first = next(x for x in inputs if x is not None)
    types = list(out_types or [])
    while len(types) < n_out:
        types.append(helper.np_dtype_to_tensor_dtype(first.dtype))
    nodes.append(helper.make_node(op, names, outs, **attrs))
    graph = helper.make_graph(nodes, "g", infos, [value_info(o, t, None) for o, t in zip(outs, types)],
                              inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])
    model.ir_version = 4 if version < 15 else 8
    return model, feeds


def scan_body():
    x = [value_info(n, F, [3]) for n in ("s_in", "e_in")]
    y = [value_info(n, F, [3]) for n in ("s_out", "e_out")]
    nodes = [helper.make_node("Add", ["s_in", "e_in"], ["s_out"]), helper.make_node("Identity", ["s_out"], ["e_out"])]
    return helper.make_graph(nodes, "body", x, y)


def old_models():
    """(what, model, feeds, targets, may be refused)"""
    up = [NEWEST_ORT]
    steps = lambda *v: list(v) + up
    x4 = data((2, 3, 4, 5))

    def case(op, version, inputs, targets, may_refuse=False, forms=("fixed", "symbols", "none"), **kw):
        text = ", ".join("%s=%s" % (k, v) for k, v in kw.items() if k != "body")
        for form in forms:
            m, f = model_of(op, version, inputs, shapes=form, **kw)
            yield "%s(%s) %s" % (op, text, form), m, f, targets, may_refuse

    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        for axis in (None, 0, 1, 2, 3):
            yield from case(op, 9, [x4], steps(13), **({} if axis is None else {"axis": axis}))
        for axis in (-1, -2, -4):
            yield from case(op, 11, [x4], steps(13), axis=axis)
        yield from case(op, 7, [data((2, 7, 1, 1))], steps(13), axis=1)
        yield from case(op, 7, [data((2, 1, 1, 7))], steps(13), axis=1)
        yield from case(op, 7, [data((2, 1, 1, 1))], steps(13), axis=1)
    for dtype in (F, D, H):
        for kw in ({}, {"min": -1.0}, {"max": 2.0}, {"min": -1.0, "max": 2.0}, {"min": -3.4028234663852886e38}):
            yield from case("Clip", 7, [data((3, 4), dtype)], steps(11, 13), **kw)
    yield from case("Dropout", 7, [x4], steps(10, 12, 13), ratio=0.3)
    yield from case("Dropout", 7, [x4], steps(10, 12), n_out=2, may_refuse=True)
    yield from case("Dropout", 10, [x4], steps(12), n_out=2, out_types=[F, BOOL], may_refuse=True)
    stats = [x4, data((3,)), data((3,)), data((3,)), np.abs(data((3,)))]
    yield from case("BatchNormalization", 7, stats, steps(9, 14, 15), epsilon=1e-3)
    yield from case("BatchNormalization", 7, stats, steps(9), consts=(1, 2, 3, 4), spatial=1, momentum=0.8)
    full = [x4] + [data((3, 4, 5)) for _ in range(3)] + [np.abs(data((3, 4, 5)))]
    yield from case("BatchNormalization", 7, full, steps(9, 14), spatial=0)
    yield from case("BatchNormalization", 9, stats, steps(14), n_out=5, forms=("fixed",), may_refuse=True)
    yield from case("Pad", 7, [x4], steps(11, 13, 18, 19), pads=[0, 0, 1, 2, 0, 0, 0, 3])
    yield from case("Pad", 7, [x4], steps(11), pads=[0, 0, 1, 2, 0, 0, 0, 3], value=1.5)
    yield from case("Pad", 7, [data((3, 4), D)], steps(11), pads=[0, -1, 1, 2], value=-2.0)
    yield from case("Pad", 7, [x4], steps(11), pads=[0, 0, 1, 2, 0, 0, 1, 2], mode="reflect")
    yield from case("Pad", 7, [x4], steps(11), pads=[0, 0, 1, 2, 0, 0, 1, 2], mode="edge", value=3.0)
    yield from case("Slice", 7, [x4], steps(10, 11, 13), starts=[1, 0], ends=[3, -1])
    yield from case("Slice", 7, [x4], steps(10), starts=[-2, 0], ends=[2147483647, 3], axes=[3, 1])
    yield from case("TopK", 7, [x4], steps(10, 11, 24), n_out=2, out_types=[F, I64], k=2)
    yield from case("TopK", 7, [x4], steps(10, 11), n_out=2, out_types=[F, I64], k=2, axis=1)
    one = data((1, 3, 1, 4))
    yield from case("Squeeze", 7, [one], steps(11, 13, 21), axes=[0, 2])
    yield from case("Squeeze", 11, [one], steps(13), axes=[-2])
    yield from case("Squeeze", 7, [one], steps(13))
    yield from case("Unsqueeze", 7, [x4], steps(11, 13, 21), axes=[0, 3])
    yield from case("Unsqueeze", 11, [x4], steps(13), axes=[-1])
    for op in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare"):
        x = np.abs(x4) + 1
        yield from case("Reduce" + op, 7, [x], steps(11, 13, 18, 20))
        yield from case("Reduce" + op, 7, [x], steps(13, 18), axes=[1, 3], keepdims=0)
        yield from case("Reduce" + op, 11, [x], steps(13, 18), axes=[-1], keepdims=1)
    yield from case("Split", 7, [x4], steps(11, 13, 18), n_out=2, axis=2)
    yield from case("Split", 7, [x4], steps(13, 18), n_out=3, axis=3, split=[1, 3, 1])
    yield from case("Split", 13, [x4, np.array([1, 3], np.int64)], steps(18), n_out=2, axis=2)
    for mode in ("nearest", "linear"):
        img = data((1, 2, 4, 5))
        yield from case("Upsample", 7, [img], steps(9, 10, 11, 13, 18, 19), mode=mode, scales=[1.0, 1.0, 2.0, 3.0])
        yield from case("Upsample", 7, [img], steps(10, 11), mode=mode, scales=[1.0, 1.0, 1.5, 2.5])
        for consts in ((), (1,)):
            for s in ([1, 1, 2, 2], [1, 1, 1.7, 2.3]):
                yield from case("Upsample", 9, [img, np.array(s, np.float32)], steps(10, 13), consts=consts, mode=mode)
            for s in ([1, 1, 0.5, 0.6], [1, 1, 2, 1], [1, 1, 2, 0.5]):
                if not consts and min(s) < 1 and mode == "nearest":
                    continue  # scales that are not known count as enlarging
                yield from case("Resize", 10, [img, np.array(s, np.float32)], steps(11, 13, 18), consts=consts,
                                mode=mode, may_refuse=max(s) > 1 > min(s))
        sizes = np.array([1, 2, 7, 9], np.int64)
        for ctm in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn"):
            for nm in ("round_prefer_floor", "floor", "ceil"):
                yield from case("Resize", 11, [img, np.zeros(0, np.float32), np.zeros(0, np.float32), sizes],
                                steps(13, 18, 19), consts=(1, 2, 3), mode=mode, nearest_mode=nm, forms=("fixed", "none"),
                                coordinate_transformation_mode=ctm,
                                may_refuse=ctm == "tf_half_pixel_for_nn")
        roi = np.array([0, 0, .2, .1, 1, 1, .9, .8], np.float32)
        yield from case("Resize", 11, [img, roi, np.array([1, 1, 2, 2], np.float32)], steps(13, 18), mode=mode,
                        consts=(1, 2), coordinate_transformation_mode="tf_crop_and_resize")
    grid = np.clip(rng.randn(1, 3, 3, 2), -1, 1).astype(np.float32)
    for kw in ({}, {"mode": "bilinear"}, {"mode": "bicubic"}, {"mode": "nearest"}):
        yield from case("GridSample", 16, [data((1, 2, 4, 5)), grid], steps(20, 22), **kw)
    rois = np.array([[0, 0, 2, 3], [1, 1, 3, 4]], np.float32)
    yield from case("RoiAlign", 10, [data((1, 2, 8, 8)), rois, np.array([0, 0], np.int64)], steps(16, 22),
                    output_height=3, output_width=2, sampling_ratio=2)
    signal = data((1, 8, 3, 1))
    yield from case("DFT", 17, [signal], steps(20))
    yield from case("DFT", 17, [signal, np.array(6, np.int64)], steps(20), axis=1, onesided=1)
    yield from case("DFT", 17, [data((1, 8, 3, 2))], steps(20), axis=2, inverse=1)
    for dtype in (F, D):
        gn = [data((2, 6, 3, 2), dtype), data((3,), dtype), data((3,), dtype)]
        for consts in ((), (1,), (1, 2)):
            yield from case("GroupNormalization", 18, gn, steps(21), consts=consts, num_groups=3)
    idx = np.array([[1, 0], [0, 2]], np.int64)
    yield from case("Scatter", 9, [data((3, 3)), idx, data((2, 2))], steps(11, 13, 16, 18), axis=1)
    yield from case("Scan", 8, [None, data((2, 3)), data((2, 5, 3))], steps(9, 11, 16), n_out=2, body=scan_body(),
                    num_scan_inputs=1)
    yield from case("Scan", 8, [None, data((2, 3)), data((2, 5, 3))], steps(9, 11), n_out=2, body=scan_body(),
                    num_scan_inputs=1, directions=[1])
    yield from case("Scan", 8, [np.array([5, 4], np.int64), data((2, 3)), data((2, 5, 3))], steps(9), n_out=2,
                    out_types=[F, F], body=scan_body(), num_scan_inputs=1, may_refuse=True, forms=("fixed",))
    scale, zero = np.array(0.1, np.float32), np.array(3, np.uint8)
    yield from case("QuantizeLinear", 10, [x4, scale, zero], steps(13, 19, 21, 23), out_types=[TensorProto.UINT8])
    yield from case("QuantizeLinear", 13, [data((3, 4), I32), scale, zero], steps(19, 21),
                    out_types=[TensorProto.UINT8])
    yield from case("QuantizeLinear", 13, [x4, np.array([.1, .2, .3], np.float32), np.array([1, 2, 3], np.uint8)],
                    steps(19, 21), out_types=[TensorProto.UINT8], axis=1)
    q = np.arange(12, dtype=np.int8).reshape(3, 4)
    yield from case("DequantizeLinear", 10, [q, scale, np.array(1, np.int8)], steps(13, 19, 21, 23), out_types=[F])
    for kw in ({"ceil_mode": 1}, {"ceil_mode": 1, "count_include_pad": 1}, {"count_include_pad": 1}):
        yield from case("AveragePool", 10, [data((1, 2, 7, 8))], steps(11, 19, 22), kernel_shape=[3, 3],
                        strides=[2, 2], pads=[1, 1, 1, 1], **kw)
    yield from case("MaxPool", 10, [data((1, 2, 7, 8))], steps(11, 12, 22), kernel_shape=[3, 2], strides=[3, 3],
                    pads=[1, 1, 1, 1], ceil_mode=1)
    for shape in ([9, 9], [10, 9]):
        yield from case("ConvTranspose", 7, [data((1, 2, 4, 4)), data((2, 3, 3, 3))], steps(11, 22), strides=[2, 2],
                        output_shape=shape)
    yield from case("OneHot", 9, [np.array([0, 3, 5], np.int64), np.array(4, np.int64), np.array([0, 1], np.float32)],
                    steps(11), out_types=[F])
    yield from case("Erf", 9, [x4], steps(13))
    yield from case("ReduceLogSum", 18, [np.abs(data((3, 4), I64)) + 1], [28], may_refuse=True)
    yield from case("LSTM", 7, [data((4, 2, 3)), data((1, 20, 3)), data((1, 20, 5))], steps(14, 22), hidden_size=5)
    yield from case("Gemm", 7, [data((2, 3)), data((3, 4)), data((4,))], steps(9, 11, 13))


def function_model():
    """y = F<axes=[1]>(x) with F = ReduceSum(Softmax(x, axis=0), axes), written for opset 12."""
    ref = onnx.AttributeProto(name="axes", ref_attr_name="axes", type=onnx.AttributeProto.INTS)
    nodes = [helper.make_node("Softmax", ["x"], ["s"], axis=0), helper.make_node("ReduceSum", ["s"], ["y"], keepdims=0)]
    nodes[1].attribute.append(ref)
    fn = helper.make_function("local", "F", ["x"], ["y"], nodes, [helper.make_opsetid("", 12)], ["axes"])
    graph = helper.make_graph([helper.make_node("F", ["x"], ["y"], domain="local", axes=[1])], "g",
                              [value_info("x", F, [3, 4])], [value_info("y", F, None)])
    model = helper.make_model(graph, functions=[fn], opset_imports=[helper.make_opsetid("", 12),
                                                                   helper.make_opsetid("local", 1)])
    model.ir_version = 8
    return model, {"x": data((3, 4))}


def subgraph_model():
    """If, whose branches use the outer x, in opset 11."""
    def branch(op, **attrs):
        return helper.make_graph([helper.make_node(op, ["x"], ["o"], **attrs)], op, [],
                                 [value_info("o", F, None)])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch("Softmax", axis=1),
                            else_branch=branch("ReduceSum", axes=[1]))
    graph = helper.make_graph([node], "g", [value_info("c", BOOL, []),
                                            value_info("x", F, [2, 3, 4])],
                              [value_info("y", F, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 6
    return model, data((2, 3, 4))


def declare_outputs(model, arrays):
    """Shapes of that rank: onnx's checker wants some, and fixed ones would tell the ranks behind a Reshape."""
    for o, a in zip(model.graph.output, arrays):
        o.type.tensor_type.shape.SetInParent()
        for k in range(np.ndim(a)):
            o.type.tensor_type.shape.dim.add().dim_param = "%s_%d" % (o.name, k)


def check_written(tally, raiser, what, model, feeds, targets, may_refuse=False):
    compare = Compare(model, feeds)
    if compare.engine is None:
        tally.fail(what, "no engine runs it")
        return
    declare_outputs(model, compare.before)
    check_raise(tally, raiser, what, model, feeds, targets, may_refuse)


def check_old_models(tally, raiser):
    for what, model, feeds, targets, may_refuse in old_models():
        check_written(tally, raiser, what, model, feeds, targets, may_refuse)
    model, feeds = function_model()
    check_written(tally, raiser, "function", model, feeds, [13, 18, 26])
    for c in (True, False):
        model, x = subgraph_model()
        check_written(tally, raiser, "If %s" % c, model, {"c": np.array(c), "x": x}, [13, 18, 26])


# ---- 3. given models -----------------------------------------------------------------------------------------------


def load_value(path, info):
    kind = info.type.WhichOneof("value")
    proto, convert = {"sequence_type": (onnx.SequenceProto, numpy_helper.to_list),
                      "optional_type": (onnx.OptionalProto, numpy_helper.to_optional)}.get(
                          kind, (TensorProto, numpy_helper.to_array))
    p = proto()
    p.ParseFromString(path.read_bytes())
    return convert(p)


def random_input(info):
    t = info.type.tensor_type
    shape = [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else 2 for d in t.shape.dim]
    dtype = NP(t.elem_type)
    if np.dtype(dtype).kind in "iub":
        return np.ones(shape, dtype)
    return rng.rand(*shape).astype(dtype)


def feeds_of(path, model):
    inits = {t.name for t in model.graph.initializer}
    infos = [i for i in model.graph.input if i.name not in inits]
    folder = path.parent / "test_data_set_0"
    try:
        if folder.is_dir():
            return {info.name: load_value(folder / ("input_%d.pb" % k), info) for k, info in enumerate(infos)
                    if (folder / ("input_%d.pb" % k)).exists()}
        return {info.name: random_input(info) for info in infos}
    except Exception:
        return None


def at_older_versions(model, history):
    """Copies of a model of one node at the versions before each change of its operator."""
    if len(model.graph.node) != 1 or model.functions or model.graph.node[0].domain:
        return
    for v in sorted(history.get(model.graph.node[0].op_type, [])):
        if v - 1 < OLDEST or v - 1 < min(history[model.graph.node[0].op_type]) or v > opset_of(model):
            continue
        old = copy.deepcopy(model)
        for o in old.opset_import:
            if o.domain in ("", "ai.onnx"):
                o.version = v - 1
        old.ir_version = min(model.ir_version, helper.OP_SET_ID_VERSION_MAP.get(("", v - 1), 8))
        try:
            onnx.checker.check_model(old)
        except Exception:
            continue
        yield v, old


def check_given(tally, raiser, paths, targets, history):
    files = sorted(f for p in paths for f in ([Path(p)] if Path(p).is_file() else Path(p).rglob("*.onnx")))
    for f in files:
        if f.stat().st_size == 0:
            continue
        model = onnx.load(str(f), load_external_data=False)
        version, what = opset_of(model), f.parent.name + "/" + f.name
        tally["models"] += 1
        if version < OLDEST:
            tally["below %d" % OLDEST] += 1
            _, status, text = raiser(f, 13)
            if version and (status != "unsupported" or "below" not in text):
                tally.fail(what, "opset %d was taken: %s %s" % (version, status, text))
            continue
        feeds = feeds_of(f, model)
        above = [t for t in targets if t > version]
        external = any(t.data_location == TensorProto.EXTERNAL for t in model.graph.initializer)
        check_raise(tally, raiser, what, model, None if external else feeds, above, may_refuse=False, given_path=f)
        for to, old in at_older_versions(model, history):
            tally["older copies"] += 1
            check_raise(tally, raiser, what, old, feeds, sorted({to, max(to, min(NEWEST_ORT, version))}), True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("program")
    ap.add_argument("path", nargs="*")
    ap.add_argument("--to", default="13,21,26", help="versions that given models are raised to")
    ap.add_argument("--list", action="store_true", help="also print what was refused or not compared")
    args = ap.parse_args()
    tally = Tally()
    history = check_rows(tally, args.program)
    with tempfile.TemporaryDirectory() as folder:
        raiser = Raiser(args.program, folder)
        check_old_models(tally, raiser)
        print("written models:", dict(tally))
        check_given(tally, raiser, args.path, [int(t) for t in args.to.split(",")], history)
    if args.list:
        print("\n".join(tally.notes))
    print("all:", dict(tally))
    print("\n".join("FAILED " + t for t in tally.failures))
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
