#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Latency in ONNX Runtime of what `mq quantize --mode dynamic` writes, beside quantize_dynamic's and the float model.

usage: bench_dynamic.py MQ MODEL... [--threads 1,2] [--rounds N] [--dim NAME=SIZE] [--value INPUT=NUMBER] [-- MQ OPTIONS]

Per channel and per tensor, each compared with the same of the peer. All sessions of a model run in turn, in every
round as often as takes about 5 ms; a figure is the median over rounds. The ratio is taken within each round (mq's time by
the peer's), with the 10th and 90th percentile. Inputs: seeded normal numbers, integers 1; open sizes: 1 for the first axis,
128 for others, or --dim. Prints a markdown table. With --same the file of mq is timed against itself: how far from 1 chance
alone gets."""
import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import QuantType, quantize_dynamic

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
         "tensor(int64)": np.int64, "tensor(int32)": np.int32}


def feeds(session, dims, values):
    rng = np.random.default_rng(7)
    sizes, out = dict(dims), {}
    for i in session.get_inputs():
        shape = []
        for k, d in enumerate(i.shape):  # a symbol has the size that it gets where it is met first
            known = isinstance(d, int) and d > 0
            shape.append(d if known else sizes.setdefault(d or f"{i.name}.{k}", 1 if k == 0 else 128))
        dtype = TYPES[i.type]
        x = rng.standard_normal(shape) if np.issubdtype(dtype, np.floating) else np.ones(shape)
        out[i.name] = np.full(shape, values[i.name], dtype) if i.name in values else x.astype(dtype)
    return out


def session(path, threads):
    o = ort.SessionOptions()
    o.intra_op_num_threads, o.inter_op_num_threads = threads, 1
    o.add_session_config_entry("session.force_spinning_stop", "1")  # else the waiting threads of one disturb the next
    return ort.InferenceSession(str(path), o, providers=["CPUExecutionProvider"])


def peer(model, out, per_channel):
    try:
        quantize_dynamic(model, out, per_channel=per_channel, weight_type=QuantType.QInt8)
        ort.InferenceSession(str(out), providers=["CPUExecutionProvider"])
        return out
    except Exception as e:  # it fails on some models: the row then says so
        print(f"quantize_dynamic {model}: {type(e).__name__}: {str(e)[:100]}", file=sys.stderr)
        return None


def ours(mq, model, out, options):
    done = subprocess.run([mq, "quantize", str(model), "-o", str(out), "-q", "--mode", "dynamic", *options])
    return out if done.returncode == 0 else None


def measure(sessions, feed, rounds):
    """Milliseconds per run: {name: [one per round]}"""
    repeats, times = {}, {name: [] for name in sessions}
    for name, s in sessions.items():
        s.run(None, feed)
        start = time.perf_counter()
        s.run(None, feed)
        repeats[name] = max(1, int(0.005 / (time.perf_counter() - start)))
    order = list(sessions)
    for r in range(rounds):
        for name in order[r % len(order):] + order[:r % len(order)]:
            start = time.perf_counter()
            for _ in range(repeats[name]):
                sessions[name].run(None, feed)
            times[name].append((time.perf_counter() - start) / repeats[name] * 1e3)
    return times


def ratio(a, b):
    r = sorted(x / y for x, y in zip(a, b))
    return f"{statistics.median(r):.2f} ({r[len(r) // 10]:.2f} to {r[len(r) * 9 // 10]:.2f})"


def pairs(text, kind):
    return {k: kind(v) for k, v in (t.split("=", 1) for t in text)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mq")
    p.add_argument("models", nargs="+", type=Path)
    p.add_argument("--threads", default="1,2")
    p.add_argument("--rounds", type=int, default=60)
    p.add_argument("--dim", action="append", default=[], metavar="NAME=SIZE",
                   help="NAME is a symbol, or INPUT.AXIS where there is none")
    p.add_argument("--value", action="append", default=[], metavar="INPUT=NUMBER")
    p.add_argument("--same", action="store_true")
    argv = sys.argv[1:]
    at = argv.index("--") if "--" in argv else len(argv)
    a, options = p.parse_args(argv[:at]), argv[at + 1:]
    print("| model | scales | threads | float ms | quantize_dynamic ms | mq ms | mq / quantize_dynamic |")
    print("| --- | --- | --: | --: | --: | --: | --: |")
    for model in a.models:
        with tempfile.TemporaryDirectory() as folder:
            table(a, options, model, Path(folder))


def table(a, options, model, folder):
    for scales in ("channel", "tensor"):
        files = {"float": model, "peer": peer(model, folder / f"p_{scales}.onnx", scales == "channel"),
                 "mq": ours(a.mq, model, folder / f"m_{scales}.onnx",
                            options + (["--per-tensor"] if scales == "tensor" else []))}
        if a.same:
            files["peer"] = files["mq"]
        for threads in map(int, a.threads.split(",")):
            sessions = {k: session(f, threads) for k, f in files.items() if f}
            feed = feeds(sessions["float"], pairs(a.dim, int), pairs(a.value, float))
            t = measure(sessions, feed, a.rounds)
            ms = {k: f"{statistics.median(v):.3g}" for k, v in t.items()}
            r = ratio(t["mq"], t["peer"]) if "mq" in t and "peer" in t else "-"
            cells = model.stem, scales, threads, ms["float"], ms.get("peer", "-"), ms.get("mq", "-"), r
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    ort.set_default_logger_severity(4)
    main()
