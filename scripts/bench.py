#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Times `mq quantize` beside other tools on the same models: whole processes, in turn, medians.

usage: bench.py MQ FOLDER [--runs N] [--size small|large|all] [--markdown FILE]

Needs a Python with numpy, onnx, onnxruntime and quantization-rs (a tool that is not there is left out and said). Models are
made in FOLDER when they are missing: 403 MB of MatMul weights in one file, and 3.2 GB in external data. One round that does
not count reads the inputs into the page cache; then every tool runs once per round. Peak memory is what the kernel accounts to
the process, mapped pages included."""
import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ORT = """
import sys
from onnxruntime.quantization import quantize_dynamic, QuantType
quantize_dynamic(sys.argv[1], sys.argv[2], per_channel=True, weight_type=QuantType.QInt8,
                 use_external_data_format=sys.argv[3] == "external")
"""
ORT_NBITS = """
import sys, onnx
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
q = MatMulNBitsQuantizer(onnx.load(sys.argv[1]), bits=4, block_size=32, is_symmetric=True, accuracy_level=4)
q.process()
q.model.save_model_to_file(sys.argv[2], False)
"""
QUANTIZE_RS = """
import sys, quantize_rs
quantize_rs.quantize(sys.argv[1], sys.argv[2], bits=8, per_channel=True, symmetric=True)
"""


def make(path, *how):
    """In a process of its own: a child's peak memory begins with what its parent has."""
    subprocess.run([sys.executable, HERE / "bench_models.py", path, *map(str, how)], check=True)


def models(folder, size):
    """(name, path, external) of the models that are asked for, made when they are missing"""
    found = []
    if size in ("small", "all"):
        path = folder / "mm403.onnx"
        if not path.exists():
            make(path, "inside", 6, 4096, 4096)
        found.append(("403 MB", path, False))
    if size in ("large", "all"):
        path = folder / "mm3200.onnx"
        if not path.exists():
            make(path, "external", 64, 4096, 3072)
        found.append(("3.2 GB, external data", path, True))
    return found


def clean(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def run(argv):
    """Seconds and peak kB of one process; None when it failed."""
    start = time.perf_counter()
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return None if child.returncode else (time.perf_counter() - start, usage.ru_maxrss)


def tools(mq, path, external, out):
    src, dst = str(path), str(out / "q.onnx")
    python = sys.executable
    copy = ["cp", src] + ([src + ".data"] if external else []) + [str(out)]
    listed = [("mq quantize", [mq, "quantize", src, "-o", dst, "-q"]), ("cp", copy),
              ("ONNX Runtime quantize_dynamic", [python, "-c", ORT, src, dst, "external" if external else "inside"])]
    if not external:  # it refuses external data
        listed.append(("quantize-rs", [python, "-c", QUANTIZE_RS, src, dst]))
    return listed


def tools_int4(mq, path, external, out):
    src, dst = str(path), str(out / "q.onnx")
    forms = {"mq, MatMulNBits": ["--format", "nbits", "--symmetric"], "mq, blocked DequantizeLinear": [],
             "mq, mse": ["--algorithm", "mse"], "mq, hqq": ["--algorithm", "hqq"]}
    listed = [(name, [mq, "quantize", src, "-o", dst, "-q", "--type", "int4", "--ends-type", "int4", *form])
              for name, form in forms.items()]
    return listed + [("ONNX Runtime MatMulNBits", [sys.executable, "-c", ORT_NBITS, src, dst])]


def cpu():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def measure(mq, name, path, external, runs, folder, tools, peer):
    out = folder / "out"
    results = {}
    for r in range(runs + 1):
        for tool, argv in tools(mq, path, external, out):
            clean(out)
            got = run(argv)
            if r:
                results.setdefault(tool, []).append(got)
    clean(out)
    base = [x for x in results.get(peer, []) if x]
    lines = [f"### {name}", "", "| tool | median s | min to max | peak MB | share of ONNX Runtime's time |",
             "| --- | --: | --: | --: | --: |"]
    for tool, got in results.items():
        good = [x for x in got if x]
        if not good:
            lines.append(f"| {tool} | failed | | | |")
            continue
        times = [t for t, _ in good]
        share = f"{statistics.median(times) / statistics.median(t for t, _ in base):.1%}" if base else ""
        lines.append(f"| {tool} | {statistics.median(times):.2f} | {min(times):.2f} to {max(times):.2f} "
                     f"| {max(m for _, m in good) / 1024:.0f} | {share} |")
    return lines + [""]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mq")
    p.add_argument("folder", type=Path)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--size", choices=["small", "large", "all"], default="all")
    p.add_argument("--markdown", type=Path)
    a = p.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{cpu()}, {os.cpu_count()} CPUs; medians of {a.runs} runs in turn.", ""]
    for name, path, external in models(a.folder, a.size):
        lines += measure(a.mq, name, path, external, a.runs, a.folder, tools, "ONNX Runtime quantize_dynamic")
        if not external:
            lines += measure(a.mq, name + ", 4 bits in blocks of 32", path, external, a.runs, a.folder, tools_int4,
                             "ONNX Runtime MatMulNBits")
    text = "\n".join(lines)
    print(text)
    if a.markdown:
        a.markdown.write_text(text)


main()
