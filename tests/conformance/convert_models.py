#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Every rewrite of `mq convert` on many models: the same outputs, still valid, and a second run changes nothing.

usage: convert_models.py CONVERT_RUNS MQ WORK PATH...

PATH: a model, or a folder of ONNX node tests (node_models.py). A node test's result must give the expected outputs in ONNX
Runtime within the test's tolerance, where the test itself does; where ONNX Runtime does not run it, in mq's engine. A model's
result must agree with the model in ONNX Runtime without graph optimization: 80 dB for floats, equal for the rest. What neither
runs is counted. No result has more nodes than the model."""
import argparse
import collections
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from engine_models import draw, sqnr

EQUAL = 80.0
LEAST = 1000  # node tests that must have been compared, when there are as many
RANDOM = {"Bernoulli", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Dropout"}


class Converter:
    """The program convert_runs, fed line by line."""

    def __init__(self, program, target="onnx"):
        self.target = target
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.models = collections.Counter()  # that each pass changed something in

    def run(self, model, output, what=None):
        what = what or self.target
        self.process.stdin.write(f"{model}\t{output}\t{what}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().rstrip("\n")
        if not line:
            sys.exit(f"convert_runs died on {model} ({what})")
        status, text, *passes = line.split("\t")
        for p in passes[0].split(",")[:-1] if passes else []:
            self.models[p.split("=")[0]] += 1
        return status, text


def session(path):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def count(nodes):
    total = 0
    for n in nodes:
        total += n.op_type != "Constant"
        for a in n.attribute:
            total += count(a.g.node) + sum(count(g.node) for g in a.graphs)
    return total


def all_nodes(model):
    return count(model.graph.node) + sum(count(f.node) for f in model.functions)


def same(got, want, rtol, atol):
    if isinstance(want, list):
        return isinstance(got, list) and len(got) == len(want) and all(same(g, w, rtol, atol) for g, w in zip(got, want))
    if want is None or got is None:
        return want is got
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    if got.dtype.kind in "OUSb":
        return bool((got == want).all())
    return bool(np.allclose(got.astype(np.float64), want.astype(np.float64), rtol=rtol, atol=atol, equal_nan=True))


def read(path):
    data = path.read_bytes()
    for kind, convert in ((onnx.TensorProto, numpy_helper.to_array), (onnx.SequenceProto, numpy_helper.to_list),
                          (onnx.OptionalProto, numpy_helper.to_optional)):
        try:
            return convert(kind.FromString(data))
        except Exception:  # noqa: BLE001: another kind of message
            continue
    raise ValueError(path)


def is_random(model):
    return any(n.op_type in RANDOM for n in model.graph.node)


def check_node(folder, result):
    """None: agrees. "skipped": neither runs it. Else what is wrong."""
    rtol, atol = (float(x) for x in (folder / "tol.txt").read_text().split())
    data = folder / "test_data_set_0"
    try:
        before = session(folder / "model.onnx")
        feeds = {a.name: read(data / f"input_{i}.pb") for i, a in enumerate(before.get_inputs())}
        want = before.run(None, feeds)
    except Exception:  # noqa: BLE001: ONNX Runtime does not run it
        return check_in_engine(folder, result)
    try:
        got = session(result).run(None, feeds)
    except Exception as e:  # noqa: BLE001
        return f"ONNX Runtime refuses the result: {str(e)[:300]}"
    return None if all(same(g, w, max(rtol, 1e-6), max(atol, 1e-7)) for g, w in zip(got, want)) else "other outputs"


def check_in_engine(folder, result):
    def code(path):
        return subprocess.run([ARGS.mq, "check", "--tests", str(path), "-q"], capture_output=True, timeout=60, check=False).returncode

    if code(folder) != 0:
        return "skipped"
    copy = ARGS.work / "case"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    shutil.copy(result, copy / "model.onnx")
    return None if code(copy) == 0 else "other outputs in the engine"


def feeds_of(s, seed):
    rng = np.random.default_rng(seed)
    return {a.name: draw(rng, a, 1 + seed, 576 if "silero" in ARGS.current else 7) for a in s.get_inputs()}


def check_model(path, result):
    ARGS.current = str(path)
    try:
        before = session(path)
        after_names = {a.name for a in session(result).get_inputs()}
    except Exception as e:  # noqa: BLE001
        return "skipped" if "before" not in locals() else f"ONNX Runtime refuses the result: {str(e)[:300]}"
    after = session(result)
    ran = 0
    for seed in range(2):
        try:
            feeds = {k: v for k, v in feeds_of(before, seed).items() if k in after_names}
            want = before.run(None, feeds)
        except Exception:  # noqa: BLE001: another batch than the model takes, or no tensor
            continue
        for w, g in zip(want, after.run(None, feeds)):
            if isinstance(w, np.ndarray) and w.dtype.kind == "f":
                if g.shape != w.shape or not (same(g, w, 1e-7, 0) or sqnr(g, w) >= EQUAL):
                    return f"other outputs ({sqnr(g, w):.1f} dB)" if g.shape == w.shape else "other shapes"
            elif not same(g, w, 0, 0):
                return "other outputs"
        ran += 1
    return None if ran else "skipped"


def check_one(converter, path, is_node):
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:  # noqa: BLE001: broken on purpose
        return "refused"
    if is_node and is_random(model):
        return "random"
    result, again = ARGS.work / "result.onnx", ARGS.work / "again.onnx"
    status, text = converter.run(path, result)
    if status != "ok":
        return text if "settle" in text else "refused"
    wrong = check_node(path.parent, result) if is_node else check_model(path, result)
    if wrong not in (None, "skipped"):
        return wrong
    after = onnx.load(result, load_external_data=False)
    if all_nodes(after) > all_nodes(model):
        return f"{all_nodes(model)} nodes became {all_nodes(after)}"
    status, text = converter.run(result, again)
    if (status, text) != ("ok", "0"):
        return f"the second run: {status} {text}"
    try:
        onnx.checker.check_model(model)
    except Exception:  # noqa: BLE001: not valid to begin with
        return wrong
    try:
        onnx.checker.check_model(str(result))
    except Exception as e:  # noqa: BLE001
        return f"the checker: {str(e)[:300]}"
    return wrong


def main():
    global ARGS  # noqa: PLW0603
    parser = argparse.ArgumentParser()
    parser.add_argument("convert_runs")
    parser.add_argument("mq")
    parser.add_argument("work", type=Path)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--target", default="onnx", choices=("onnx", "onnxruntime", "portable"))
    parser.add_argument("--every", type=int, default=1, help="one of so many node tests")
    ARGS = parser.parse_args()
    ARGS.work.mkdir(parents=True, exist_ok=True)
    converter = Converter(ARGS.convert_runs, ARGS.target)
    counts, bad, n_nodes = collections.Counter(), 0, 0
    for path in ARGS.paths:
        nodes = sorted(path.glob("*/tol.txt")) if path.is_dir() else []
        found = [p.parent / "model.onnx" for p in nodes] or ([path] if path.is_file() else sorted(path.glob("**/*.onnx")))
        for model in found[::ARGS.every] if nodes else found:
            if ARGS.only not in str(model):
                continue
            n_nodes += bool(nodes)
            what = check_one(converter, model, bool(nodes))
            counts[what if what in ("skipped", "random", "refused") else "ok" if what is None else "wrong"] += 1
            if what not in (None, "skipped", "random", "refused"):
                print(f"{model.parent.name if nodes else model}: {what}", flush=True)
                bad += 1
    print(", ".join(f"{k} {v}" for k, v in sorted(counts.items())))
    if n_nodes > LEAST and ARGS.every == 1 and counts["ok"] < LEAST:
        print(f"fewer than {LEAST} were compared")
        bad += 1
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
