#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Real models in the engine beside ONNX Runtime: the same outputs for batch 1, batch N and changing shapes.

usage: engine_models.py MQ FOLDER MODEL... [--atol X] [--rtol X]

For each model FOLDER gets ONNX test folders (inputs drawn from a seed, outputs of ONNX Runtime without graph optimization), which
`MQ check --tests` runs. Quantized models must not be further away than ONNX Runtime's own two runs (with and without graph
optimization) are from each other, less 1 dB. A model that ONNX Runtime does not run is left out and said."""
import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(double)": np.float64,
         "tensor(float16)": np.float16, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(bool)": np.bool_}

QUANTIZED = {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "MatMulInteger"}
EQUAL = 60.0  # dB: float rounding


def draw(rng, arg, batch, other):
    """Contents for one input: symbolic first dim = batch, other symbolic dims = other; ids and masks stay small."""
    symbols = [i for i, d in enumerate(arg.shape) if not (isinstance(d, int) and d > 0)]
    shape = [batch if i in symbols[:1] else other if i in symbols else d for i, d in enumerate(arg.shape)]
    dtype = TYPES[arg.type]
    if arg.name == "sr":
        return np.full(shape, 16000, dtype)
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(bool)
    if np.issubdtype(dtype, np.integer):
        high = 2 if "mask" in arg.name or "type" in arg.name or "segment" in arg.name else 20
        return rng.integers(high // 20, high, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def write(folder, inputs, outputs, names_in, names_out):
    folder.mkdir(parents=True)
    for kind, names, values in (("input", names_in, inputs), ("output", names_out, outputs)):
        for i, (name, value) in enumerate(zip(names, values)):
            (folder / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(np.asarray(value), name).SerializeToString())


def sqnr(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    noise = ((a - b) ** 2).sum()
    return np.inf if noise == 0 else 10 * np.log10((b ** 2).sum() / noise)


def own_distance(model, folder):
    """How far ONNX Runtime's optimized runs of a quantized model are from its plain ones, in dB; None: it is not quantized."""
    if not any(n.op_type in QUANTIZED for n in onnx.load(str(model), load_external_data=False).graph.node):
        return None
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    worst = EQUAL
    for data in sorted(folder.glob("test_data_set_*")):
        read = lambda kind, n: numpy_helper.to_array(onnx.load_tensor(str(data / f"{kind}_{n}.pb")))  # noqa: E731
        outputs = session.run(None, {a.name: read("input", i) for i, a in enumerate(session.get_inputs())})
        worst = min([worst] + [sqnr(o, read("output", i)) for i, o in enumerate(outputs)])
    return worst


def prepare(model, folder):
    """One folder per model; a test set per batch and size. False: ONNX Runtime does not run it."""
    shutil.rmtree(folder, ignore_errors=True)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as e:  # noqa: BLE001 - any refusal means the same here
        print(f"{model.name}: ONNX Runtime does not load it ({str(e)[:80]})")
        return False
    graph_inputs = [i.name for i in onnx.load(str(model), load_external_data=False).graph.input]
    rng = np.random.default_rng(7)
    n = 0
    for batch, other in ((1, 7), (3, 12), (2, 7), (1, 576), (3, 576)):
        args = {a.name: draw(rng, a, batch, other) for a in session.get_inputs()}
        try:
            outputs = session.run(None, args)
        except Exception:  # noqa: BLE001 - the model has fixed sizes inside
            continue
        if not all(isinstance(o, np.ndarray) for o in outputs):
            continue
        order = [name for name in graph_inputs if name in args]
        write(folder / f"test_data_set_{n}", [args[k] for k in order], outputs, order, [o.name for o in session.get_outputs()])
        n += 1
    for extra in model.parent.glob(model.stem.split("_")[0] + "*.bin"):
        shutil.copy(extra, folder)
    if not n:
        print(f"{model.name}: ONNX Runtime runs it on none of the drawn inputs")
        return False
    (folder / "model.onnx").symlink_to(model.resolve()) if not list(folder.glob("*.bin")) else shutil.copy(model, folder / "model.onnx")
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mq")
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--atol", default="1e-4")
    parser.add_argument("--rtol", default="1e-4")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    bad = 0
    for model in args.models:
        folder = args.folder / model.stem
        if not prepare(model, folder):
            continue
        distance = own_distance(model, folder)
        command = [args.mq, "check", "--tests", str(folder), "--atol", args.atol, "--rtol", args.rtol]
        if distance is not None:  # a value that rounds to the next integer is a whole step away
            command = [args.mq, "check", str(folder / "model.onnx"), "--data", str(folder), "--min-sqnr", f"{distance - 1:.2f}"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        print(f"{model.name}: exit {result.returncode} {(result.stdout + result.stderr).strip().splitlines()[-1:]}")
        bad += result.returncode not in (0, 4)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
