#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Random models (random_patterns.py) in the engine and in ONNX Runtime without graph optimization: the same outputs; and in the
engine the same bytes with one thread and two, again and again, with other shapes in between, and in two executions at once.

usage: engine_random.py ENGINE_RUNS WORK [--count N] [--from SEED] [--long] [--keep]

A difference counts when it is larger than what ONNX Runtime's own outputs move by when the inputs are changed in their last
bits. Where values are rounded to steps on the way (quantized models) a few elements may be a step off, as they are in ONNX
Runtime when the inputs are changed by a hundredth. The folder of a model that fails stays in WORK. Models that ONNX Runtime refuses are left out and counted."""
import argparse
import collections
import math
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper
from random_patterns import SIZES, Patterns

BATCH = 25
STEPS = {"QuantizeLinear", "DynamicQuantizeLinear", "Round", "Floor", "Ceil", "Sign"}
DECIDE = {"Greater", "Less", "ArgMax", "ArgMin", "TopK", "Sign", "Floor", "Ceil", "Round"}
SHARE_STEPS = 0.3  # of elements that may be a step off
SHARE_FEW = 0.05   # that may be so without ONNX Runtime's having shown it
SHARE_REFUSED = 0.1  # more refused models than this would mean that the generator makes nonsense


def save_list(path, arrays):
    with open(path, "wb") as f:
        for name, a in arrays.items():
            a = np.asarray(a)  # not ascontiguousarray, which makes a vector of a scalar
            dims = " ".join(str(d) for d in a.shape)
            f.write(f"{name} {helper.np_dtype_to_tensor_dtype(a.dtype)} {dims}\n{a.nbytes}\n".encode())
            f.write(a.tobytes())


def load_list(path):
    out = {}
    with open(path, "rb") as f:
        while line := f.readline():
            name, dtype, *dims = line.split()
            data = f.read(int(f.readline()))
            out[name.decode()] = np.frombuffer(data, helper.tensor_dtype_to_np_dtype(int(dtype))).reshape([int(d) for d in dims])
    return out


def session_of(model):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class Case:
    def __init__(self, seed, folder):
        self.seed, self.folder = seed, folder / str(seed)
        self.refused = None
        try:
            maker = Patterns(seed)
            self.model = maker.model()
            self.feeds = [maker.feeds(s) for s in SIZES]
            self.session = session_of(self.model)
            self.names = [o.name for o in self.session.get_outputs()]
            self.wanted = [dict(zip(self.names, self.session.run(None, f))) for f in self.feeds]
        except Exception as e:  # noqa: BLE001 - whatever it is, there is nothing to compare with
            self.refused = f"{type(e).__name__} {str(e)[:300]}"
            return
        self.steps = bool(STEPS & {n.op_type for n in all_nodes(self.model.graph)})
        self.half = onnx.TensorProto.FLOAT16 in types_of(self.model)
        # ONNX Runtime does not round between nodes of float16, so that comparisons fall otherwise
        self.vague = self.half and bool(DECIDE & {n.op_type for n in all_nodes(self.model.graph)})
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        onnx.save(self.model, self.folder / "model.onnx")
        for i, feed in enumerate(self.feeds):
            save_list(self.folder / f"{i}.in", feed)

    def moved(self, i):
        """How far each output of set i moves when inputs and weights are changed in their last bits."""
        rng, most = np.random.default_rng(1), {}
        for _ in range(12 if self.steps else 6):
            feed = {k: shaken(rng, v, 1e-2 if self.steps else 1e-6) for k, v in self.feeds[i].items()}
            for name, got in zip(self.names, session_of(shaken_weights(rng, self.model)).run(None, feed)):
                want = self.wanted[i][name]
                if got.shape != want.shape:
                    d = np.inf
                elif got.dtype.kind in "fiu":
                    with np.errstate(all="ignore"):
                        d = np.nan_to_num(np.abs(got.astype(np.float64) - want.astype(np.float64)), nan=np.inf)
                else:
                    d = np.where(got == want, 0, np.inf)
                most[name] = np.maximum(most.get(name, 0), d)
        return most

    def difference(self):
        """What is wrong with the outputs that the engine has left in the folder; None: nothing."""
        for i, wanted in enumerate(self.wanted):
            got, moved = load_list(self.folder / f"{i}.out"), None
            for name, want in wanted.items():
                have = got.get(name)
                if have is None or have.dtype != want.dtype or have.shape != want.shape:
                    return f"set {i} output {name}: {have if have is None else (have.dtype, have.shape)}, not {want.dtype, want.shape}"
                bad = outside(have, want, self.half, self.steps)
                if not bad.any() or self.vague:
                    continue
                moved = moved or self.moved(i)
                move = np.broadcast_to(moved.get(name, 0), want.shape)
                with np.errstate(all="ignore"):
                    d = np.abs(have.astype(np.float64) - want.astype(np.float64))
                    if (self.steps or self.half) and bad.mean() <= SHARE_STEPS:
                        d = np.where(d <= 3 * move.max() + 0.03 * np.abs(want).max(), 0, d)
                    if (self.steps or self.half) and bad.mean() <= (SHARE_STEPS if self.half else SHARE_FEW):
                        d = np.where(d <= 0.1 + 0.1 * np.abs(want).max(), 0, d)
                    bad &= ~(d <= 100 * move)
                if bad.any():
                    at = np.argwhere(bad)[0]
                    return (f"set {i} output {name}: {int(bad.sum())} of {want.size} elements, {tuple(at)} is {have[tuple(at)]}, "
                            f"not {want[tuple(at)]}")
        return None


def all_nodes(graph):
    for n in graph.node:
        yield n
        for a in n.attribute:
            if a.HasField("g"):
                yield from all_nodes(a.g)


def types_of(model):
    """Element types of weights, inputs and casts."""
    found = {t.data_type for t in model.graph.initializer} | {i.type.tensor_type.elem_type for i in model.graph.input}
    return found | {a.i for n in all_nodes(model.graph) if n.op_type == "Cast" for a in n.attribute}


def shaken(rng, v, by):
    if v.dtype.kind != "f" or not v.size:
        return v
    return np.asarray(v * (1 + rng.uniform(-1, 1, v.shape) * max(by, 4e-3 if v.dtype == np.float16 else 0))).astype(v.dtype)


def shaken_weights(rng, model):
    other = onnx.ModelProto()
    other.CopyFrom(model)
    for t in other.graph.initializer:
        v = numpy_helper.to_array(t)
        if t.data_type == onnx.TensorProto.FLOAT and np.any(v != np.rint(v)):  # whole numbers are factors and bounds
            t.CopyFrom(numpy_helper.from_array(shaken(rng, v, 2e-7), t.name))
    return other


def outside(have, want, half, steps):
    """Which elements are further apart than rounding explains."""
    if want.dtype.kind != "f":
        return np.asarray(have != want)
    a, b = have.astype(np.float64), want.astype(np.float64)
    finite = np.abs(b[np.isfinite(b)])
    top = finite.max() if finite.size else 0
    half |= want.dtype == np.float16
    rel = 2e-2 if half else 1e-3 if steps else 2e-5
    if half:  # where one of the two overflows, nothing is said
        b = np.where(np.abs(a) + np.abs(b) < 6e4, b, a)
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= rel * np.abs(b) + rel * top + (5e-3 if half else 4e-6)
    return ~(near | np.isnan(b) | (a == b))  # of a NaN nothing is said: docs/engine.md


def run(program, cases, *options):
    """Lines by folder; a folder without one is where the program died."""
    done = subprocess.run([program, *options, *[str(c.folder) for c in cases]], capture_output=True, text=True, timeout=60 + 20 * len(cases),
                          check=False, errors="replace")
    said = {}
    for line in done.stdout.splitlines():
        word, folder, *rest = line.split(" ", 2)
        said[folder] = (word, rest[0] if rest else "")
    dead = next((c for c in cases if str(c.folder) not in said), None)
    if dead:
        said[str(dead.folder)] = ("WRONG", f"the program ended with {done.returncode}: {done.stderr[-2000:]}")
        rest = cases[cases.index(dead) + 1:]
        if rest:
            said.update(run(program, rest, *options))
    return said


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engine_runs")
    parser.add_argument("work", type=Path)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    counts, reasons, wrong = collections.Counter(), collections.Counter(), 0
    count = args.count or (2500 if args.long else 500)
    start = time.monotonic()
    for at in range(0, math.ceil(count / BATCH)):
        cases = [Case(args.first + s, args.work) for s in range(at * BATCH, min(count, (at + 1) * BATCH))]
        for c in cases:
            if c.refused:
                counts["left out"] += 1
                reasons[c.refused[:160]] += 1
        cases = [c for c in cases if not c.refused]
        said = run(args.engine_runs, cases) if cases else {}
        fine = [c for c in cases if said[str(c.folder)][0] == "ok"]
        said.update(run(args.engine_runs, fine, "--threads-at-once") if fine else {})
        for c in cases:
            word, text = said[str(c.folder)]
            text = text if word == "WRONG" else c.difference() if word == "ok" else text
            if word == "refused":
                reasons[text] += 1
            elif text:
                print(f"wrong: seed {c.seed}: {text}", flush=True)
                word = "WRONG"
            counts[word] += 1
            if word != "WRONG" and not args.keep:
                shutil.rmtree(c.folder)
    for reason, n in reasons.most_common(12):
        print(f"  {n} x {reason}")
    print(f"{counts['ok']} of {count} models agree, {counts['refused']} refused, {counts['left out']} left out, {counts['WRONG']} wrong "
          f"({time.monotonic() - start:.0f} s)")
    return 1 if counts["WRONG"] or counts["left out"] + counts["refused"] > SHARE_REFUSED * count else 0


if __name__ == "__main__":
    sys.exit(main())
