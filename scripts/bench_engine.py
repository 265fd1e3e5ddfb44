#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Latency of the engine beside ONNX Runtime: `mq bench --with-onnxruntime` over models, float32 and static int8.

usage: bench_engine.py MQ FOLDER MODEL[@DIM=N,DIM=N]... [--threads 1,2] [--only fp32|int8] [--rounds N] [-- MQ OPTIONS]

The int8 form (QDQ, uint8 activations, int8 weights per channel) is made once in FOLDER by onnxruntime's quantize_static on 8
seeded random samples: what it says does not matter for its speed. Each row is one process of mq, in which both engines run in
turns on the same inputs. Prints a markdown table, and the geometric mean of the ratios."""
import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}


class Random(CalibrationDataReader):
    def __init__(self, path, dims):
        rng, self.rows = np.random.default_rng(3), []
        inputs = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).get_inputs()
        for _ in range(8):
            row = {}
            for i in inputs:
                shape = [d if isinstance(d, int) and d > 0 else dims.get(d, 1) for d in i.shape]
                real = i.type == "tensor(float)"
                row[i.name] = (rng.standard_normal(shape) if real else np.ones(shape)).astype(TYPES[i.type])
            self.rows.append(row)

    def get_next(self):
        return self.rows.pop() if self.rows else None


def int8_of(model, dims, folder):
    out = folder / f"{model.stem}.int8.onnx"
    if not out.exists():
        ready = folder / f"{model.stem}.ready.onnx"
        m = onnx.load(model)
        version = next(o.version for o in m.opset_import if not o.domain)
        onnx.save(onnx.version_converter.convert_version(m, 13) if version < 13 else m, ready)
        quant_pre_process(str(ready), str(ready), skip_symbolic_shape=True)
        quantize_static(str(ready), str(out), Random(ready, dims), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        ready.unlink()
    return out


def row(mq, path, dims, threads, rounds, options):
    command = [mq, "bench", str(path), "-j", str(threads), "--with-onnxruntime", "--json", "-q", *options]
    command += ["--runs", str(rounds)] if rounds else []
    for name, size in dims.items():
        command += ["--dim", f"{name}={size}"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MQ_PYTHON": sys.executable})
    if done.returncode:
        print(f"{path.name}: {done.stderr.strip()}", file=sys.stderr)
        return None
    mine, peer = json.loads(done.stdout)["latency"]
    return mine["ms"], peer["ms"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mq")
    p.add_argument("folder", type=Path)
    p.add_argument("models", nargs="+")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--only", choices=("fp32", "int8"))
    p.add_argument("--rounds", type=int, default=0)
    argv = sys.argv[1:]
    at = argv.index("--") if "--" in argv else len(argv)
    a, options = p.parse_args(argv[:at]), argv[at + 1:]
    a.folder.mkdir(parents=True, exist_ok=True)
    ratios = {}
    print("| model | form | threads | mq ms (min) | ONNX Runtime ms (min) | ratio of medians |\n| --- | --- | --: | --: | --: | --: |")
    for text in a.models:
        name, _, given = text.partition("@")
        dims = {k: int(v) for k, v in (d.split("=") for d in given.split(",") if d)}
        forms = {"fp32": Path(name)}
        if a.only != "fp32":
            forms["int8"] = int8_of(Path(name), dims, a.folder)
        for form, path in forms.items():
            if a.only not in (None, form):
                continue
            for threads in map(int, a.threads.split(",")):
                found = row(a.mq, path, dims, threads, a.rounds, options)
                if not found:
                    continue
                mine, peer = found
                ratios.setdefault((form, threads), []).append(mine["median"] / peer["median"])
                print(f"| {Path(name).stem} | {form} | {threads} | {mine['median']:.3f} ({mine['min']:.3f}) | "
                      f"{peer['median']:.3f} ({peer['min']:.3f}) | {ratios[form, threads][-1]:.2f} |", flush=True)
    for (form, threads), r in ratios.items():
        print(f"\n{form}, {threads} thread{'s' if threads > 1 else ''}: geometric mean {math.exp(sum(map(math.log, r)) / len(r)):.3f}, "
              f"largest {max(r):.2f}, {len(r)} models")


if __name__ == "__main__":
    ort.set_default_logger_severity(4)
    main()
