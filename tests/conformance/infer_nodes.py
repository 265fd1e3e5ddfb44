#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Compares mq's type and shape inference with onnx's own and with the truth.

usage: infer_nodes.py INFER_DUMP PATH... [--min-known PERCENT] [--max-findings N] [--list]

PATHs are models, or folders searched for *.onnx. Of each model a copy without the types of its outputs and inner values
is inferred by mq (the program INFER_DUMP) and by onnx.shape_inference (data propagation on), and the results compared:
with each other for every value of the main graph, and with what the model declared and with test_data_set_0/output_K.pb
beside it for its outputs. Fails on a contradiction (of the truth, or of onnx where the truth is not known), on findings
about models that are right, and when mq knows less than onnx in too many models. Needs the PyPI package onnx.
"""
import argparse
import collections
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
from onnx import TensorProto

DTYPE_NAMES = {v: k.lower() for k, v in TensorProto.DataType.items()}


class Type:
    """kind, element type (or None), dims (None: unknown; each int, str or None), inner type."""

    def __init__(self, kind=None, dtype=None, dims=None, elem=None):
        self.kind, self.dtype, self.dims, self.elem = kind, dtype, dims, elem

    def __str__(self):
        if self.kind is None:
            return "?"
        if self.kind != "tensor":
            return "%s(%s)" % (self.kind, self.elem or "?")
        dims = "..." if self.dims is None else ",".join("?" if d is None else str(d) for d in self.dims)
        return "%s[%s]" % (self.dtype or "undefined", dims)


def of_proto(tp):
    """Type of a TypeProto."""
    which = tp.WhichOneof("value")
    if which in ("tensor_type", "sparse_tensor_type"):
        t = getattr(tp, which)
        dims = None
        if t.HasField("shape"):
            dims = [d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else symbol(d.dim_param)
                    for d in t.shape.dim]
        kind = "tensor" if which == "tensor_type" else "sparse"
        return Type(kind, DTYPE_NAMES[t.elem_type] if t.elem_type else None, dims)
    if which in ("sequence_type", "optional_type"):
        return Type("seq" if which == "sequence_type" else "optional", elem=of_proto(getattr(tp, which).elem_type))
    if which == "map_type":
        return Type("map", elem=of_proto(tp.map_type.value_type))
    return Type()


def symbol(name):
    return name if name and not name.startswith("unk__") else None


def of_text(text):
    """Type of mq's text form."""
    if text == "?" or text == "opaque":
        return Type()
    head, inner = text.split("(", 1) if "(" in text.split("[", 1)[0] else (text, None)
    if inner is not None:
        inner = inner[:-1]
        return Type(head, elem=of_text(inner.split(",", 1)[1] if head == "map" else inner))
    dtype, dims = text.split("[", 1)
    kind = "sparse" if dtype.startswith("sparse ") else "tensor"
    dtype = None if dtype.endswith("undefined") else dtype.replace("sparse ", "")
    return Type(kind, dtype, None if dims == "...]" else [of_dim(d) for d in dims[:-1].split(",") if d])


def of_dim(text):
    return None if text == "?" else int(text) if text.isdigit() else text


def contradicts(a, b):
    """Do two types say different things?"""
    if a is None or b is None or a.kind is None or b.kind is None:
        return False
    if a.kind != b.kind or (a.dtype and b.dtype and a.dtype != b.dtype):
        return True
    if a.kind != "tensor":
        return contradicts(a.elem, b.elem)
    if a.dims is None or b.dims is None:
        return False
    return len(a.dims) != len(b.dims) or any(
        isinstance(x, int) and isinstance(y, int) and x != y for x, y in zip(a.dims, b.dims))


def knowledge(t):
    """What is known, as a list that can be compared place by place."""
    if t is None or t.kind is None:
        return {}
    known = {"kind": 1, "dtype": 1 if t.dtype else 0}
    if t.dims is not None:
        known["rank"] = 1
        known.update({i: 2 if isinstance(d, int) else 1 if d else 0 for i, d in enumerate(t.dims)})
    for key, value in knowledge(t.elem).items():
        known["elem", key] = value
    return known


def compare(mq, peer):
    """ "contradiction", "less", "more" or "equal": mq against its peer."""
    if contradicts(mq, peer):
        return "contradiction"
    a, b = knowledge(mq), knowledge(peer)
    if any(a.get(k, 0) < v for k, v in b.items()):
        return "less"
    return "more" if any(v > b.get(k, 0) for k, v in a.items()) else "equal"


def strip(model):
    """Without the types of outputs and inner values."""
    for o in model.graph.output:
        o.ClearField("type")
    model.graph.ClearField("value_info")


def peer_types(model):
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # what onnx refuses has no opinion
        return {}
    return {v.name: of_proto(v.type) for part in ("value_info", "output") for v in getattr(inferred.graph, part)}


def truth(path, k):
    """The type of an output as the test's data have it; None without data or for anything but a tensor."""
    pb = path.parent / "test_data_set_0" / ("output_%d.pb" % k)
    if not pb.exists() or path.name != "model.onnx":
        return None
    t = TensorProto()
    try:
        t.ParseFromString(pb.read_bytes())
    except Exception:  # a sequence or an optional
        return None
    if t.data_type == 0 or t.data_type not in DTYPE_NAMES:
        return None
    return Type("tensor", DTYPE_NAMES[t.data_type], list(t.dims))


class Case:
    def __init__(self, path, stripped):
        model = onnx.load(path, load_external_data=False)
        self.path = path
        self.declared = {o.name: of_proto(o.type) for o in model.graph.output}
        self.truth = {o.name: truth(path, k) for k, o in enumerate(model.graph.output)}
        for name, t in self.truth.items():  # a sequence or optional output has data of another form
            if t and self.declared[name].kind not in (None, "tensor"):
                self.truth[name] = None
        self.ops = [n.op_type for n in model.graph.node]
        strip(model)
        self.peer = peer_types(model)
        self.mq, self.findings, self.error = {}, [], None
        stripped.write_bytes(model.SerializeToString())


def run(dump, cases, stripped):
    """Fills in what mq says."""
    by_path = {str(s): c for s, c in zip(stripped, cases)}
    done = subprocess.run([dump], input="".join("%s\n" % p for p in by_path), capture_output=True, text=True)
    case = None
    for line in done.stdout.splitlines():
        cells = line.split("\t")
        if cells[0] == "@":
            case = by_path[cells[1]]
        elif cells[0] == "!":
            case.findings.append("%s: %s" % (cells[1], cells[2]))
        elif cells[0] == "E":
            case.error = cells[1]
        else:
            case.mq[cells[0]] = of_text(cells[1])
    if done.returncode:
        sys.exit("%s ended with %d in %s\n%s" % (dump, done.returncode, case.path if case else "-", done.stderr))


def judge(case, list_all):
    """Verdict on the outputs, verdicts on all values, lines to print."""
    lines, worst = [], "equal"
    for name, declared in case.declared.items():
        mq = case.mq.get(name)
        for label, other in (("declared", declared), ("actual", case.truth[name])):
            if contradicts(mq, other):
                lines.append("output %s is %s, but %s %s" % (name, mq, label, other))
                worst = "contradiction"
        verdict = compare(mq, case.peer.get(name))
        real = case.truth[name]
        if verdict == "contradiction" and real and not contradicts(mq, real):
            verdict = "more"  # onnx is wrong
        if verdict in ("less", "contradiction"):
            lines.append("output %s is %s, but onnx says %s" % (name, mq, case.peer[name]))
        order = ["equal", "more", "less", "contradiction"]
        worst = max(worst, verdict, key=order.index)
    inner = collections.Counter()
    for name, peer in case.peer.items():
        verdict = compare(case.mq.get(name), peer)
        inner[verdict] += 1
        if verdict == "contradiction" or (verdict == "less" and list_all):
            if name not in case.declared:
                lines.append("value %s is %s, but onnx says %s" % (name, case.mq.get(name), peer))
    if case.error:
        lines, worst = ["does not load: " + case.error], "contradiction"
    return worst, inner, lines + ["finding: " + f for f in case.findings]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("dump")
    ap.add_argument("paths", nargs="+", type=Path)
    ap.add_argument("--min-known", type=float, default=97.0, help="percent of models with as much known as onnx knows")
    ap.add_argument("--max-findings", type=int, default=0, help="models that may have findings")
    ap.add_argument("--list", action="store_true", help="also name inner values of which mq knows less")
    args = ap.parse_args()
    files = sorted(f for p in args.paths for f in ([p] if p.is_file() else p.rglob("*.onnx")))
    with tempfile.TemporaryDirectory() as tmp:
        stripped = [Path(tmp) / ("%d.onnx" % i) for i in range(len(files))]
        cases = [Case(f, s) for f, s in zip(files, stripped)]
        run(args.dump, cases, stripped)
    totals, values, by_op, findings = collections.Counter(), collections.Counter(), {}, 0
    for case in cases:
        worst, inner, lines = judge(case, args.list)
        totals[worst] += 1
        values += inner
        findings += bool(case.findings)
        op = case.ops[0] if len(case.ops) == 1 else "(several)"
        by_op.setdefault(op, collections.Counter())[worst] += 1
        for line in lines:
            print("%s: %s" % (case.path.parent.name + "/" + case.path.name, line))
    for op, c in sorted(by_op.items()):
        if c["less"] or c["contradiction"]:
            print("%-28s %s" % (op, " ".join("%s %d" % item for item in sorted(c.items()))))
    known = 100.0 * (totals["equal"] + totals["more"]) / max(1, len(cases))
    print("%d models: outputs %s; as much known as onnx in %.1f %%" % (len(cases), dict(totals), known))
    print("values of main graphs that onnx knows: %s; models with findings: %d" % (dict(values), findings))
    if totals["contradiction"] or known < args.min_known or findings > args.max_findings:
        sys.exit(1)


main()
