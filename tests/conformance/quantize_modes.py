#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Every form that `mq quantize` writes passes onnx.checker and loads in ONNX Runtime.

usage: quantize_modes.py MQ FOLDER...

Each .onnx file below the folders (odd/ and bad/ left out: other tests have them) with each set of options below. Exit status 2
(quantized already), 3 (invalid) and 4 (nothing to quantize) are counted; any other than 0 is wrong."""
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import onnx
import onnxruntime

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


def main():
    onnxruntime.set_default_logger_severity(4)
    mq, folders = sys.argv[1], [Path(f) for f in sys.argv[2:]]
    models = sorted(m for f in folders for m in f.rglob("*.onnx") if not {"odd", "bad"} & set(m.parts))
    seen, wrong = Counter(), 0
    with tempfile.TemporaryDirectory() as folder:
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
