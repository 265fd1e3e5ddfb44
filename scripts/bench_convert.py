#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Rewriting models beside onnxslim and onnxsim: nodes, time, memory, and what it does to the latency in ONNX Runtime.

usage: bench_convert.py MQ WORK MODEL... [--python PYTHON] [--runs N] [--latency N]

Prints a line per model. Nodes are those of all graphs and function bodies without Constant nodes. Time is that of whole processes
(median of --runs, in seconds), memory the largest resident set in MB. PYTHON is an interpreter with onnx and, as far as they are to
be compared, onnxslim, onnxsim and onnxruntime; a dash stands for what is not there. With --latency N the model and mq's result run N
times each in turn, in CPU time of one thread: the ratio of the least and of the median times, below 1 where the result is faster.
Of two sessions with the same model the one that was made first is up to 7 % faster, so it is done again the other way round, and
the geometric mean of both is printed.
Exit status 1: mq's result has more nodes than the better peer's, or both ratios are above 1.03."""
import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

COUNT = """
import sys, onnx
def count(nodes):
    return sum((n.op_type != "Constant") + sum(count(a.g.node) + sum(count(g.node) for g in a.graphs) for a in n.attribute) for n in nodes)
m = onnx.load(sys.argv[1], load_external_data=False)
print(count(m.graph.node) + sum(count(f.node) for f in m.functions))
"""
SLIM = "import sys, onnx, onnxslim; onnx.save(onnxslim.slim(onnx.load(sys.argv[1])), sys.argv[2])"
SIM = "import sys, onnx, onnxsim; onnx.save(onnxsim.simplify(onnx.load(sys.argv[1]))[0], sys.argv[2])"
LATENCY = """
import sys, time, statistics, numpy as np, onnxruntime as ort
def session(path):
    o = ort.SessionOptions()
    o.intra_op_num_threads, o.log_severity_level = 1, 4
    return ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
both, rng = [session(p) for p in sys.argv[1:3]], np.random.default_rng(1)
def draw(a):
    dims = [d if isinstance(d, int) and d > 0 else 1 if i == 0 else 64 for i, d in enumerate(a.shape)]
    kind = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}[a.type]
    return rng.standard_normal(dims).astype(kind) if kind == np.float32 else rng.integers(0, 2, dims).astype(kind)
feeds = {a.name: draw(a) for a in both[1].get_inputs()}
times = [[], []]
for k in range(int(sys.argv[3]) + 1):
    for s, t in zip(both, times):
        start = time.thread_time()
        s.run(None, feeds)
        t.append(time.thread_time() - start)
a, b = (t[1:] for t in times)
print(min(b) / min(a), statistics.median(b) / statistics.median(a))
"""
SLOWER = 1.03


def measure(command, output, runs):
    """Median seconds and MB of whole processes; None: it does not work."""
    seconds, most = [], 0
    for _ in range(runs):
        output.unlink(missing_ok=True)
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        if status != 0 or not output.exists():
            return None
        seconds.append(time.monotonic() - start)
        most = max(most, usage.ru_maxrss / 1024)
    return statistics.median(seconds), most


def ask(python, program, *args):
    done = subprocess.run([python, "-c", program, *map(str, args)], capture_output=True, text=True, check=False)
    return done.stdout.split() if done.returncode == 0 else None


def has(python, module):
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def latency(python, model, result, runs):
    """Ratios of least and median times, whichever session is made first; None: one of them does not run."""
    there, back = (ask(python, LATENCY, *pair, runs) for pair in ((model, result), (result, model)))
    return [(float(a) / float(b)) ** 0.5 for a, b in zip(there, back)] if there and back else None


def row(name, cells):
    print(f"{name:28}" + "".join(f" {c:>10}" for c in cells), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mq")
    parser.add_argument("work", type=Path)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--latency", type=int, default=0)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    peers = {name: code for name, code in (("onnxslim", SLIM), ("onnxsim", SIM)) if has(args.python, name)}
    row("nodes, seconds, MB", ["before", "mq", "s", "MB"] + [c for p in peers for c in (p, "s", "MB")] + (["latency"] if args.latency else []))
    total, best_total, behind, slower = 0, 0, [], []
    for model in args.models:
        before = ask(args.python, COUNT, model)
        result = args.work / "mq.onnx"
        took = measure([args.mq, "convert", str(model), "-o", str(result), "-f", "-q", "--verify", "load"], result, args.runs)
        if not before or not took:
            row(model.stem, ["-"])
            continue
        ours = ask(args.python, COUNT, result)
        cells, best = [before[0], ours[0], f"{took[0]:.2f}", f"{took[1]:.0f}"], None
        for name, code in peers.items():
            out = args.work / f"{name}.onnx"
            got = measure([args.python, "-c", code, str(model), str(out)], out, max(1, args.runs // 5))
            nodes = ask(args.python, COUNT, out) if got else None
            cells += [nodes[0], f"{got[0]:.2f}", f"{got[1]:.0f}"] if nodes else ["-"] * 3
            best = min(filter(None, [best, int(nodes[0]) if nodes else None]), default=None)
        if args.latency:
            ratios = latency(args.python, model, result, args.latency)
            cells += ["/".join(f"{r:.3f}" for r in ratios) if ratios else "-"]
            slower += [model.stem] if ratios and min(ratios) > SLOWER else []
        row(model.stem, cells)
        if best is not None:
            total, best_total = total + int(ours[0]), best_total + best
            behind += [model.stem] if int(ours[0]) > best else []
    if best_total:
        print(f"{total} nodes where the better peer has {best_total}: {100 * (1 - total / best_total):.1f} % fewer")
    for name in behind:
        print(f"more nodes than the better peer: {name}")
    for name in slower:
        print(f"slower in ONNX Runtime than its input: {name}")
    sys.exit(bool(behind or slower))


if __name__ == "__main__":
    main()
