#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Models in parts: what the parts give one after another in ONNX Runtime is what the whole gives.

usage: split_models.py MQ WORK MODEL...

Each model is split into two and three parts. Every part loads in ONNX Runtime without graph optimization, and the chain gives
the whole's outputs with 100 dB or more, with 60 dB in half precision. The list of parts, made one file again, and the parts merged by their names give them
bit for bit. What ONNX Runtime does not run on drawn inputs, and what has fewer nodes than parts, is counted."""
import argparse
import collections
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from engine_models import draw, sqnr

EQUAL = 100.0
HALF = 60.0


def session(path):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def drawn(s):
    """Inputs and outputs by name, or None."""
    for batch, other in ((1, 16), (2, 8), (1, 1)):
        rng = np.random.default_rng(1)
        try:
            inputs = {a.name: draw(rng, a, batch, other) for a in s.get_inputs()}
            return inputs, dict(zip((o.name for o in s.get_outputs()), s.run(None, inputs)))
        except Exception:
            continue
    return None


def apart(got, want):
    """The lowest SQNR over all outputs; what is no float has to be equal."""
    worst = np.inf
    for name, w in want.items():
        if isinstance(w, np.ndarray) and w.dtype.kind == "f" and np.isfinite(w).all():
            worst = min(worst, sqnr(got[name], w))
        elif isinstance(w, np.ndarray) and not np.array_equal(got[name], w, equal_nan=w.dtype.kind == "f"):
            worst = -np.inf
    return worst


def uses_half(model):
    types = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    return any(t.data_type in types for t in onnx.load(str(model), load_external_data=False).graph.initializer)


def mq(program, *args):
    return subprocess.run([program, *map(str, args)], capture_output=True, text=True, timeout=600)


def chain(folder, manifest, inputs):
    """Every tensor that the parts give, run one after another."""
    known = dict(inputs)
    for part in json.loads(manifest.read_text())["parts"]:
        s = session(folder / part["file"])
        given = s.run(None, {a.name: known[a.name] for a in s.get_inputs()})
        known.update(zip((o.name for o in s.get_outputs()), given))
    return known


def check(program, model, inputs, want, n, folder):
    """What is wrong, or None."""
    shutil.rmtree(folder, ignore_errors=True)
    done = mq(program, "split", model, "-q", "-o", folder, "--parts", n, "--verify", "load")
    if done.returncode == 2 and "can be apart" in done.stderr:
        return "too few nodes"
    if done.returncode == 4 and "its type is not known" in done.stderr:
        return "with types nobody knows"
    if done.returncode:
        return "FAILED: " + done.stderr.strip()
    manifest = next(folder.glob("*.parts.json"))
    worst = apart(chain(folder, manifest, inputs), want)
    if worst < (HALF if uses_half(model) else EQUAL):
        return f"FAILED: the chain has {worst:.1f} dB"
    files = [folder / p["file"] for p in json.loads(manifest.read_text())["parts"]]
    for what, args in (("joined", ("convert", manifest, "-O", "0")), ("merged", ("merge", *files))):
        out = folder / f"{what}.onnx"
        done = mq(program, *args, "-q", "-o", out, "--verify", "load")
        if what == "merged" and done.returncode == 2 and "several models have the name" in done.stderr:
            return "not merged: parts share constants"
        if done.returncode:
            return f"FAILED: {what}: " + done.stderr.strip()
        s = session(out)
        got = dict(zip((o.name for o in s.get_outputs()), s.run(None, inputs)))
        if apart(got, want) != np.inf:
            return f"FAILED: {what}: {apart(got, want):.1f} dB"
    return None


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("mq")
    p.add_argument("work", type=Path)
    p.add_argument("models", nargs="+", type=Path)
    a = p.parse_args()
    counts, bad = collections.Counter(), 0

    for model in a.models:
        try:
            s = session(model)
        except Exception:
            counts["ONNX Runtime does not load it"] += 1
            continue
        ran = drawn(s)
        del s
        if not ran:
            counts["ONNX Runtime does not run it on drawn inputs"] += 1
            continue
        for n in (2, 3):
            why = check(a.mq, model, *ran, n, a.work)
            counts["FAILED" if why and why.startswith("FAILED") else why or "equal"] += 1
            if why and why.startswith("FAILED"):
                print(f"{model.name} in {n} parts: {why}", flush=True)
                bad += 1
    shutil.rmtree(a.work, ignore_errors=True)
    print(", ".join(f"{v} {k}" for k, v in sorted(counts.items())))
    return 1 if bad or not counts["equal"] else 0


if __name__ == "__main__":
    sys.exit(main())
