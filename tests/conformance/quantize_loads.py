#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Quantizes models and hands the results to the onnx checker and to ONNX Runtime.

usage: quantize_loads.py MQ PATH... [--verbose]

PATHs are models, or folders searched for *.onnx; models with each form of weight (weight_forms.py) are added. A result has
to pass the checker, load in ONNX Runtime wherever the input does, give finite outputs near those of the float model on
random inputs, be smaller than its input, and have the same bytes on a second run and with another number of threads. What
is not quantized has to be one of the cases below. Needs the PyPI packages onnx, onnxruntime and numpy.
"""
import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

import weight_forms

warnings.simplefilter("ignore")
ort.set_default_logger_severity(4)

# Exit status and reason of real models that are not quantized.
EXPECTED = {
    "conv_qdq_external_ini.onnx": (2, "quantized already"),
    "qdq_with_multi_consumer_dq_nodes.onnx": (2, "quantized already"),
    "lr_mnist_scikit.onnx": (4, "nothing to quantize"),
    "scan_1.onnx": (4, "nothing to quantize"),
    "starry-night-fp16.onnx": (3, "IR version 1 has no opset imports"),
}
# Lowest signal to quantization noise, in dB, on random inputs: they show mistakes, not accuracy. Deep nets on noise, and
# decisions inside the graph (arg max, non-maximum suppression), amplify rounding.
FLOOR = 20
FLOORS = {"FastestDet.onnx": 15, "resnet8_cifar10_nhwc.onnx": 15, "resnet8_large_cifar10.onnx": 15}
# Shapes of inputs that say too little.
SHAPES = {
    "silero_vad.onnx": {"input": [1, 576], "state": [2, 1, 128], "sr": []},
    "silero_vad_16k_op15.onnx": {"input": [1, 576], "state": [2, 1, 128], "sr": []},
}


def find(paths):
    for path in map(Path, paths):
        yield from sorted(path.rglob("*.onnx")) if path.is_dir() else [path]


def session(path, threads=1):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def random_inputs(s, shapes, seed):
    """Values for every input; N is 16, other symbolic sizes are 1 in front and 8 elsewhere."""
    rng, feed = np.random.default_rng(seed), {}
    for x in s.get_inputs():
        shape = [16 if d == "N" else d if isinstance(d, int) and d > 0 else 1 if i == 0 else 8 for i, d in enumerate(x.shape)]
        shape = shapes.get(x.name, shape)
        if x.type == "tensor(float)":
            feed[x.name] = rng.uniform(-1, 1, shape).astype(np.float32)
        elif x.type in ("tensor(int64)", "tensor(int32)"):
            dtype = np.int64 if "64" in x.type else np.int32
            high = 2 if "mask" in x.name or "type" in x.name else 8
            feed[x.name] = np.array(16000) if x.name == "sr" else rng.integers(0, high, shape).astype(dtype)
        elif x.type == "tensor(bool)":
            feed[x.name] = rng.integers(0, 2, shape).astype(bool)
        elif x.type == "tensor(float16)":
            feed[x.name] = rng.uniform(-1, 1, shape).astype(np.float16)
        else:
            return None
    return feed


def sqnr(a, b):
    """In dB over all float outputs together; None when nothing can be compared."""
    signal = noise = 0.0
    for x, y in zip(a, b):
        if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or x.shape != y.shape or not np.isfinite(x).all():
            continue
        if not np.isfinite(y).all():
            return -np.inf
        signal += (x.astype(np.float64) ** 2).sum()
        noise += ((x.astype(np.float64) - y.astype(np.float64)) ** 2).sum()
    return None if signal == 0 else 10 * np.log10(signal / max(noise, signal * 1e-20))


def quantize(mq, source, target, *more):
    p = subprocess.run([mq, "quantize", str(source), "-o", str(target), "-f", "-q", *more], capture_output=True, text=True)
    return p.returncode, p.stderr.strip()


def size(path):
    """With external data, each stretch counted once per tensor as it is stored."""
    m = onnx.load(path, load_external_data=False)
    files = {e.value for t in onnx.external_data_helper._get_all_tensors(m) if t.data_location == 1
             for e in t.external_data if e.key == "location"}
    return path.stat().st_size + sum((path.parent / f).stat().st_size for f in files)


def outcome(source, code, text):
    """What is wrong with a model that was not quantized, or None."""
    if source.name in EXPECTED:
        want, reason = EXPECTED[source.name]
        return None if code == want and reason in text else f"exit {code}, expected {want}: {text}"
    parts = source.parts
    if "bad" in parts:
        return None if code in (2, 3, 4) and text else f"exit {code}: {text}"
    if "odd" in parts:
        known = {2: "quantized already", 4: "nothing to quantize"}
        if source.name in ("dims_no_shape.onnx", "unknown_fields.onnx"):
            known = {3: ""}
        return None if code in known and known[code] in text else f"exit {code}: {text}"
    return f"exit {code}: {text}"


def same_bytes(mq, source, folder):
    first = [(folder / "out.onnx").read_bytes()]
    data = folder / "out.onnx.data"
    first.append(data.read_bytes() if data.exists() else b"")
    for threads in ("1", "2"):
        code, text = quantize(mq, source, folder / "out.onnx", "-j", threads)
        again = [(folder / "out.onnx").read_bytes(), data.read_bytes() if data.exists() else b""]
        if code or again != first:
            return f"other bytes with -j {threads}"
    return None


def judge(source, target):
    """(dB or None, what is wrong or None)"""
    try:
        before = session(source)
    except Exception:
        return None, None  # ONNX Runtime does not take the input either
    try:
        after = session(target)
    except Exception as e:
        return None, f"does not load: {str(e)[:200]}"
    feed = random_inputs(before, SHAPES.get(source.name, {}), 1)
    if feed is None:
        return None, None
    try:
        want = before.run(None, feed)
    except Exception:
        return None, None
    got = after.run(None, {x.name: feed[x.name] for x in after.get_inputs()})
    db = sqnr(want, got)
    floor = FLOORS.get(source.name, FLOOR)
    return db, None if db is None or db >= floor else f"{db:.1f} dB, expected {floor}"


def check(mq, source, folder):
    """(exit status, dB or None, what is wrong or None)"""
    target = folder / "out.onnx"
    code, text = quantize(mq, source, target)
    if code:
        wrong = "an output was left" if target.exists() else outcome(source, code, text)
        return code, None, wrong
    if source.name in EXPECTED:
        return 0, None, f"exit 0, expected {EXPECTED[source.name][0]}"
    try:
        onnx.checker.check_model(str(target))
    except Exception as e:
        return 0, None, f"the checker refuses it: {str(e)[:200]}"
    if size(target) > size(source):
        return 0, None, f"grew from {size(source)} to {size(target)}"
    db, wrong = judge(source, target)
    return 0, db, wrong or same_bytes(mq, source, folder)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mq")
    p.add_argument("paths", nargs="*")
    p.add_argument("--verbose", action="store_true", help="a line for every model that is quantized")
    a = p.parse_args()
    counts, wrong = {}, 0
    with tempfile.TemporaryDirectory() as top:
        made = Path(top) / "forms"
        made.mkdir()
        for name, m in weight_forms.all_models():
            onnx.save(m, made / f"{name}.onnx")
        for i, source in enumerate(find([made, *a.paths])):
            folder = Path(top) / str(i)
            folder.mkdir()
            code, db, error = check(a.mq, source, folder)
            for left in folder.iterdir():
                left.unlink()
            counts[code] = counts.get(code, 0) + 1
            if error:
                wrong += 1
                print(f"{source}: {error}")
            elif a.verbose and code == 0:
                print(f"{source.name}: {'not compared' if db is None else f'{db:.1f} dB'}")
    print(f"{sum(counts.values())} models: {counts.get(0, 0)} quantized, "
          f"{sum(n for c, n in counts.items() if c)} not, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
