#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Speed of statically quantized models: what `mq quantize` writes beside what onnxruntime's quantize_static does, in ONNX
Runtime and in the engine.

usage: bench_static.py MQ FOLDER MODEL[@DIM=N,DIM=N]... [--rounds N] [--threads N]

Both are calibrated on generated samples, which say nothing of accuracy and change no speed. In ONNX Runtime the float model
and both others run in turns, round by round; the engine's two are one `mq bench`. Prints milliseconds, median (min)."""
import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path

import onnxruntime as ort
from bench_engine import Random, int8_of


def quantized(mq, model, dims, folder):
    out = folder / f"{model.stem}.mq.onnx"
    words = [w for name, size in dims.items() for w in ("--dim", f"{name}={size}")]
    subprocess.run([mq, "quantize", model, "-o", out, "-f", "-q", "--data", "random:8", "--verify", "load", *words], check=True)
    return out


def in_turns(paths, dims, rounds, threads):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    sessions = [ort.InferenceSession(str(p), options, providers=["CPUExecutionProvider"]) for p in paths]
    feed, times = Random(paths[0], dims).get_next(), [[] for _ in paths]
    for i in range(rounds + 3):
        for s, t in zip(sessions, times):
            start = time.perf_counter()
            s.run(None, feed)
            if i >= 3:
                t.append(1000 * (time.perf_counter() - start))
    return [(statistics.median(t), min(t)) for t in times]


def in_engine(mq, paths, dims, threads):
    words = [w for name, size in dims.items() for w in ("--dim", f"{name}={size}")]
    done = subprocess.run([mq, "bench", *map(str, paths), "-j", str(threads), "--json", "-q", *words], capture_output=True, text=True,
                          check=True)
    return [(row["ms"]["median"], row["ms"]["min"]) for row in json.loads(done.stdout)["latency"]]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mq")
    p.add_argument("folder", type=Path)
    p.add_argument("models", nargs="+")
    p.add_argument("--rounds", type=int, default=150)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    print("| model | ONNX Runtime: float | quantize_static | mq | ratio | engine: quantize_static | mq | ratio |\n"
          "| --- | --: | --: | --: | --: | --: | --: | --: |")
    for text in a.models:
        name, _, given = text.partition("@")
        dims = {k: int(v) for k, v in (d.split("=") for d in given.split(",") if d)}
        model = Path(name)
        pair = [int8_of(model, dims, a.folder), quantized(a.mq, model, dims, a.folder)]
        there, here = in_turns([model, *pair], dims, a.rounds, a.threads), in_engine(a.mq, pair, dims, a.threads)
        cells = [f"{median:.2f} ({least:.2f})" for median, least in [*there, *here]]
        ratios = [f"{y[0] / x[0]:.2f} ({y[1] / x[1]:.2f})" for x, y in ((there[1], there[2]), (here[0], here[1]))]
        print(f"| {model.stem} | {' | '.join([*cells[:3], ratios[0], *cells[3:], ratios[1]])} |", flush=True)


if __name__ == "__main__":
    ort.set_default_logger_severity(4)
    main()
