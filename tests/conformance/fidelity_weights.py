#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Weight-only int8 of real models on real data: the outputs have to be as near to the float model's as rounding allows.

usage: fidelity_weights.py MQ

Uses bench/fidelity.py beside the data folder ($MQ_SHARED_DATA, else ../shared/data): it prepares the models, and judges
the quantized files in ONNX Runtime. Says "skipped" where it is not there. Needs the packages onnx, onnxruntime and numpy;
models that are fed images also pillow.
"""
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# Signal to quantization noise in dB, per output, of weights rounded per channel to 8 bits by the definition.
ROUNDING = {
    "squeezenet": [38.8], "resnet8_ft": [35.6], "kws": [37.8], "ad": [41.8], "pfld": [51.0], "ultraface": [44.7, 55.0],
    "fastestdet": [20.4], "minilm": [28.9],
}
SLACK = 0.5
NEED_IMAGES = {"squeezenet"}


def find_judge():
    root = Path(__file__).resolve().parents[2]
    data = Path(os.environ.get("MQ_SHARED_DATA", root.parent / "shared" / "data"))
    judge = data.parent / "bench" / "fidelity.py"
    return (judge, data) if judge.exists() and data.exists() else (None, None)


def run(judge, data, *args):
    p = subprocess.run([sys.executable, judge, "--data", data, *args], capture_output=True, text=True)
    if p.returncode:
        sys.exit(f"{judge} {' '.join(args)}: {p.stderr[-500:]}")
    return p.stdout


def compare(name, line):
    """What is wrong with a line of the judge ("kws 500 37.81 dB agree 0.99"), or None."""
    got = [float(x) for x in re.findall(r"-?\d+\.\d+|-?inf|nan", line.split(" dB")[0])]
    want = ROUNDING[name]
    print(f"{name}: {' '.join('%.2f' % x for x in got)} dB, by the definition {' '.join(map(str, want))}", flush=True)
    if len(got) != len(want) or any(not g >= w - SLACK for g, w in zip(got, want)):
        return f"{name}: more than {SLACK} dB below"
    return None


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    judge, data = find_judge()
    if not judge:
        print("skipped: no real models and data")
        return 0
    names = set(ROUNDING)
    if not importlib.util.find_spec("PIL"):
        print(f"skipped for want of pillow: {' '.join(sorted(NEED_IMAGES))}")
        names -= NEED_IMAGES
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        run(judge, data, "--prepare", folder, "--only", ",".join(sorted(names)))
        judged = []
        for name in sorted(names):
            out = f"{folder}/{name}.int8.onnx"
            subprocess.run([sys.argv[1], "quantize", f"{folder}/{name}.onnx", "-o", out, "-q"], check=True)
            judged += ["--judge", f"{name}={out}"]
        lines = {line.split()[0]: line.split(maxsplit=2)[2] for line in run(judge, data, *judged).splitlines()}
        wrong = [w for name in sorted(names) if (w := compare(name, lines[name]))]
    for w in wrong:
        print(w)
    print(f"{len(names)} models: {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
