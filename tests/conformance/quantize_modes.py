#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Every form that `mq quantize` writes passes onnx.checker and loads in ONNX Runtime; LSTM with --mode dynamic is as near
to the float model as what quantize_dynamic writes.

usage: quantize_modes.py MQ FOLDER...

Each .onnx file below the folders (odd/ and bad/ left out: other tests have them) with each set of options below. Exit
status 2 (quantized already), 3 (invalid) and 4 (nothing to quantize) are counted; any other than 0 is wrong. The LSTM
models are made here."""
import logging
import math
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

FORMS = [line.split() for line in """
--type int8
--type int8 --asymmetric
--type int8 --per-tensor
--type uint8
--type uint8 --symmetric
--type uint8 --per-tensor
--type int8 --reduce-range
--type int16
--type int4
--type int4 --symmetric
--type uint4
--type int4 --block-size 128 --block-fallback adjust
--type int4 --block-size 64 --block-fallback skip
--type int4 --ends-type int4
--type int4 --format nbits
--type int4 --ends-type int4 --format nbits
--type uint4 --format nbits --asymmetric
--type int8 --format nbits
--type int2
--algorithm mse
--algorithm hqq --type int4
--range stddev=3
--mode dynamic
--mode dynamic --asymmetric
--mode dynamic --type uint8
--mode dynamic --per-tensor
""".strip().splitlines()]


def judge(mq, model, form, out):
    """'ok', 'exit N', or what is wrong."""
    out.unlink(missing_ok=True)
    done = subprocess.run([mq, "quantize", str(model), "-o", str(out), "-q", "--max-size", "none", *form],
                          capture_output=True, text=True, timeout=120)
    if done.returncode in (2, 3, 4):
        return f"exit {done.returncode}"
    if done.returncode:
        return f"exit status {done.returncode}: {done.stderr[-200:]}"
    try:
        onnx.checker.check_model(str(out))
        onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    except Exception as e:  # whatever they refuse it with
        return f"{type(e).__name__}: {str(e)[:200]}"
    return "ok"


# name: directions, and which optional inputs there are (B, lengths, states, P)
LSTMS = {"lstm": (1, "b"), "lstm_bare": (1, ""), "lstm_states": (1, "bs"), "lstm_both": (2, "bs"), "lstm_all": (2, "blsp")}
STEPS, ROWS, WIDTH, CELLS = 7, 3, 24, 32


def lstm_model(dirs, parts, opset):
    """The model and what it is fed."""
    rng = np.random.default_rng([dirs, len(parts)])
    weights = {"w": (dirs, 4 * CELLS, WIDTH), "r": (dirs, 4 * CELLS, CELLS), "b": (dirs, 8 * CELLS), "p": (dirs, 3 * CELLS)}
    inputs = ["x", "w", "r", "b" if "b" in parts else "", "lens" if "l" in parts else "",
              *(["h", "c"] if "s" in parts else ["", ""]), "p" if "p" in parts else ""]
    feed = {"x": rng.standard_normal((STEPS, ROWS, WIDTH), np.float32), "lens": np.array([STEPS, 4, 1], np.int32),
            "h": rng.uniform(-1, 1, (dirs, ROWS, CELLS)).astype(np.float32),
            "c": rng.uniform(-1, 1, (dirs, ROWS, CELLS)).astype(np.float32)}
    feed = {k: v for k, v in feed.items() if k in inputs}
    node = helper.make_node("LSTM", inputs, ["y", "last"], "n", hidden_size=CELLS,
                            direction=["forward", "bidirectional"][dirs - 1])
    values = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in feed.items()]
    shapes = {"y": [STEPS, dirs, ROWS, CELLS], "last": [dirs, ROWS, CELLS]}
    inits = [numpy_helper.from_array(rng.uniform(-.3, .3, s).astype(np.float32), k)
             for k, s in weights.items() if k in inputs]
    graph = helper.make_graph([node], "g", values,
                              [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in shapes.items()], inits)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)]), feed


def outputs(path, feed):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feed)


def decibels(want, got):
    return min(10 * math.log10(np.sum(a.astype(float) ** 2) / max(np.sum((a - b) ** 2.0), 1e-30))
               for a, b in zip(want, got))


def judge_lstm(mq, name, opset, folder):
    """What is wrong, or None."""
    source, ours, peers = folder / f"{name}_{opset}.onnx", folder / "lstm_q.onnx", folder / "lstm_p.onnx"
    model, feed = lstm_model(*LSTMS[name], opset)
    onnx.save(model, source)
    for form in [], ["--per-tensor"], ["--type", "uint8", "--symmetric"], ["--type", "uint8", "--per-tensor"]:
        verdict = judge(mq, source, ["--mode", "dynamic", *form], ours)
        if verdict != "ok" or [n.op_type for n in onnx.load(ours).graph.node] != ["DynamicQuantizeLSTM"]:
            return f"{name} {form}: {verdict}"
        quantize_dynamic(source, peers, per_channel="--per-tensor" not in form, weight_type=QuantType.QInt8)
        want = outputs(source, feed)
        db, peer = decibels(want, outputs(ours, feed)), decibels(want, outputs(peers, feed))
        if not db >= peer - 1:  # uint8 has other integers than the peer's int8
            return f"{name} {form}: {db:.1f} dB, quantize_dynamic {peer:.1f} dB"
    return None


def main():
    logging.disable(logging.WARNING)  # quantize_dynamic's advice
    onnxruntime.set_default_logger_severity(4)
    mq, folders = sys.argv[1], [Path(f) for f in sys.argv[2:]]
    models = sorted(m for f in folders for m in f.rglob("*.onnx") if not {"odd", "bad"} & set(m.parts))
    seen, wrong = Counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        for name in LSTMS:
            for opset in 11, 17, 21:
                complaint = judge_lstm(mq, name, opset, Path(folder))
                if complaint:
                    wrong += 1
                    print(complaint)
        models += sorted(Path(folder).glob("lstm*_17.onnx"))
        for model in models:
            for form in FORMS:
                verdict = judge(mq, model, form, Path(folder) / "q.onnx")
                if verdict == "ok" or verdict.startswith("exit ") and verdict[5:].isdigit():
                    seen[verdict] += 1
                else:
                    wrong += 1
                    print(f"{model.name} {' '.join(form)}: {verdict}")
    print(f"{len(models)} models in {len(FORMS)} forms: {dict(seen)}, {wrong} wrong")
    return wrong > 0


sys.exit(main())
