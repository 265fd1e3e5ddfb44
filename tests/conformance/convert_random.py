#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""The rewrites of `mq convert` in random order on random models (random_layouts.py): the same outputs in ONNX Runtime.

usage: convert_random.py CONVERT_RUNS WORK [--count N] [--from SEED] [--long] [--keep]

Each model goes through the passes of each target to the fixed point (a second run must change nothing, and there are no more
nodes), and through all passes twice each in a random order. Outputs are compared as in engine_random.py. The folder of a model
that fails stays in WORK."""
import argparse
import collections
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import engine_random
import onnx
from convert_models import Converter, all_nodes
from engine_random import Case, DECIDE, save_list, session_of
from random_layouts import Layouts

# What only patterns become.
MADE = ("Attention", "BiasGelu", "FastGelu", "FusedConv", "FusedGemm", "FusedMatMul", "Gelu", "GroupNormalization",
        "HardSigmoid", "HardSwish", "LayerNormalization", "LogSoftmax", "LpNormalization", "Mish",
        "MultiHeadAttention", "QuickGelu", "RMSNormalization", "Softmax", "Softplus", "Swish")
TARGETS = ("onnx", "onnxruntime")  # what portable runs is among onnx's


def run_converted(case, path):
    """Runs the model at `path` on the case's inputs and leaves the outputs where Case.difference looks."""
    session = session_of(onnx.load(path))
    for i, feed in enumerate(case.feeds):
        names = [o.name for o in session.get_outputs()]
        save_list(case.folder / f"{i}.out", dict(zip(names, session.run(None, feed))))


def check(converter, case, what):
    """None: the outputs are the same. Else what is wrong."""
    result = case.folder / "result.onnx"
    status, text = converter.run(case.folder / "model.onnx", result, what)
    if status != "ok":
        return f"{status}: {text}"
    try:
        run_converted(case, result)
    except Exception as e:  # noqa: BLE001 - the model ran before
        return f"ONNX Runtime refuses the result: {str(e)[:400]}"
    wrong = case.difference()
    if wrong or what not in TARGETS:
        return wrong
    before, after = all_nodes(case.model), all_nodes(onnx.load(result))
    if after > before:
        return f"{before} nodes became {after}"
    status, text = converter.run(result, case.folder / "again.onnx", what)
    return None if (status, text) == ("ok", "0") else f"the second run: {status} {text}"


def operators(model):
    return collections.Counter(n.op_type for n in engine_random.all_nodes(model.graph))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("convert_runs")
    parser.add_argument("work", type=Path)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    count = args.count or (2500 if args.long else 300)
    passes = subprocess.run([args.convert_runs, "--passes"], capture_output=True, text=True, check=True).stdout.split()
    converter = Converter(args.convert_runs)
    engine_random.Patterns = Layouts  # what Case makes models with
    counts, start, made = collections.Counter(), time.monotonic(), collections.Counter()
    for seed in range(args.first, args.first + count):
        case = Case(seed, args.work)
        if case.refused:
            counts["left out"] += 1
            continue
        order = passes * 2
        random.Random(seed).shuffle(order)
        for what in (*TARGETS, ",".join(order)):
            wrong = check(converter, case, what)
            if not wrong and what in TARGETS:
                made += operators(onnx.load(case.folder / "result.onnx")) - operators(case.model)
            if wrong and DECIDE & {n.op_type for n in engine_random.all_nodes(case.model.graph)}:
                counts["undecided"] += 1  # values that are equal but for rounding are put in order, or told apart
                wrong = None
                break
            counts["wrong" if wrong else "ok"] += 1
            if wrong:
                print(f"wrong: seed {seed}: {what}: {wrong}", flush=True)
                break
        if not wrong and not args.keep:
            shutil.rmtree(case.folder)
    print(f"{counts['ok']} runs agree, {counts['wrong']} wrong, {counts['undecided']} undecided, {counts['left out']} models "
          f"left out ({time.monotonic() - start:.0f} s)")
    print("made: " + ", ".join(f"{made[op]} {op}" for op in MADE))
    print("models changed by " + ", ".join(f"{p} {converter.models[p]}" for p in passes))
    sys.exit(counts["wrong"] > 0 or counts["undecided"] > 0.02 * count or counts["left out"] > 0.2 * count)


if __name__ == "__main__":
    main()
