#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Models with integers at their edges (--io-type) give in ONNX Runtime exactly what those with float edges give, quantized by
hand with the scales in the metadata; in the engine the same, when it is fed the float model's data.

usage: static_io.py MQ TESTDATA     Needs onnx, onnxruntime and numpy."""
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

ort.set_default_logger_severity(4)


def main():
    mq, testdata = sys.argv[1], Path(sys.argv[2])
    digits = np.load(testdata / "digits.npz")["test_x"][:64].astype(np.float32) / 16
    wrong = tried = 0
    with tempfile.TemporaryDirectory() as folder:
        data, whole, bare, ints = (str(Path(folder) / n) for n in ("c.npz", "float.onnx", "io.onnx", "ints.npz"))

        def call(*words):
            subprocess.run([mq, *words, "-q", "-f"], check=True)

        for name in ("digits_cnn", "digits_cnn_opset9", "digits_mlp"):
            path = str(testdata / f"{name}.onnx")
            port = ort.InferenceSession(path).get_inputs()[0]
            x = digits.reshape(-1, *port.shape[1:]) if len(port.shape) > 2 else digits.reshape(64, -1)
            np.savez(data, **{port.name: x})
            for how in (["uint8"], ["int8"], ["int16"], ["uint8", "--format", "qoperator"], ["int8", "--format", "qoperator"]):
                call("quantize", path, "--data", data, "-o", bare, "--io-type", *how)
                call("quantize", path, "--data", data, "-o", whole, "--act-type", *how)
                call("run", bare, "--data", data, "-o", ints)
                model = onnx.load(bare)
                onnx.checker.check_model(model, full_check=True)
                props = {p.key: p.value for p in model.metadata_props}
                s = ort.InferenceSession(bare)

                def by_hand(v, name, kind=np.iinfo(how[0])):
                    q = np.rint(v / np.float32(props[f"mq.io.{name}.scale"])) + int(props[f"mq.io.{name}.zero_point"])
                    return np.clip(q, kind.min, kind.max).astype(how[0])

                out = s.get_outputs()[0]
                want = by_hand(ort.InferenceSession(whole).run(None, {port.name: x})[0], out.name)
                got = s.run(None, {port.name: by_hand(x, port.name)})[0]
                engine = np.load(ints)[out.name]
                tried += 1
                if s.get_inputs()[0].type != f"tensor({how[0]})" or out.type != f"tensor({how[0]})":
                    wrong += 1
                    print(f"{name} {how}: {s.get_inputs()[0].type} -> {out.type}")
                if not np.array_equal(got, want):
                    wrong += 1
                    print(f"{name} {how}: {np.count_nonzero(got != want)} of {want.size} differ")
                if np.abs(engine.astype(int) - want).max() > 1:  # the last bit of a sum
                    wrong += 1
                    print(f"{name} {how}: the engine is {np.abs(engine.astype(int) - want).max()} away")
    print(f"{tried} models with integers at their edges")
    return wrong > 0


sys.exit(main())
