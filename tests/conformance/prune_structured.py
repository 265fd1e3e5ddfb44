#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Structured pruning at 20 % of every model either works or names what stops it, and never makes a wrong shape.

usage: prune_structured.py MQ FOLDER...

Each .onnx file below the folders (odd/ and bad/ left out) with each pattern. What is written passes onnx.checker, loads in
ONNX Runtime with the outputs that the original declares, and, with the default rounding, gives there what the engine
gives (mq check --with-onnxruntime). Without rounding, --zero-only gives the same outputs, unless something normalizes over
channels that go.
Exit status 2 (quantized already) and 4 (nothing can go) are counted when the message names a reason."""
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import onnx
import onnxruntime

FORMS = [line.split() for line in """
--pattern channel
--pattern channel --round-to 1 --method l2
--pattern channel --round-to 1 --method geomedian --scope global
--pattern head
--pattern head --round-to 1
--pattern mlp
--pattern layer
""".strip().splitlines()]
REASONS = ("nothing to prune", "no channels can go", "quantized already", "not a", "is not")


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300,
                          env=dict(os.environ, MQ_PYTHON=sys.executable))


def io_of(path):
    """Outputs as ONNX Runtime has them: known sizes, or None."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [(o.name, o.type, [d if isinstance(d, int) else None for d in o.shape]) for o in session.get_outputs()]


def options_for(path):
    """Sizes without which a generated input is too small ('sequence' is samples of sound, of which a window is taken), and
    what half precision allows."""
    graph = onnx.load(str(path), load_external_data=False).graph
    symbols = {d.dim_param for i in graph.input for d in i.type.tensor_type.shape.dim}
    halves = any(t.data_type == onnx.TensorProto.FLOAT16 for t in graph.initializer)
    tolerance = "2e-2" if halves else "1e-4"
    return ["--atol", tolerance, "--rtol", tolerance, *(["--dim", "sequence=576"] if "sequence" in symbols else [])]


def mixes(report):
    return any(g["mixes"] and g["left"] < g["channels"] for g in json.loads(report.read_text())["prune"].get("groups", []))


def judge(mq, model, form, folder):
    """'ok', 'stopped', 'exit N', or what is wrong."""
    out, zero, report = folder / "p.onnx", folder / "z.onnx", folder / "r.json"
    done = run(mq, "prune", model, "-f", "-q", "-o", out, "--sparsity", "0.2", "--report", report, *form)
    if done.returncode == 4 or done.returncode == 2:
        return "stopped" if any(r in done.stderr for r in REASONS) else f"exit {done.returncode} without a reason: {done.stderr[-200:]}"
    if done.returncode == 3:
        return "exit 3"
    if done.returncode:
        return f"exit status {done.returncode}: {done.stderr[-300:]}"
    try:
        onnx.checker.check_model(str(out))
        before, after = io_of(model), io_of(out)
    except Exception as e:  # whatever they refuse it with
        return f"{type(e).__name__}: {str(e)[:300]}"
    if before != after:
        return f"outputs {after}, were {before}"
    options = options_for(out)
    if "--round-to" not in form: # others are looked at below
        done = run(mq, "check", out, "--with-onnxruntime", *options)
        return f"engine and ONNX Runtime: {(done.stdout + done.stderr)[-300:]}" if done.returncode else "ok"
    if mixes(report):
        return "ok"
    done = run(mq, "prune", model, "-f", "-q", "-o", zero, "--sparsity", "0.2", "--zero-only", *form)
    if done.returncode:
        return f"--zero-only: exit status {done.returncode}: {done.stderr[-300:]}"
    done = run(mq, "check", zero, "--against", out, *options)
    return f"zero and gone differ: {(done.stdout + done.stderr)[-300:]}" if done.returncode else "ok"


def main():
    onnxruntime.set_default_logger_severity(4)
    mq = sys.argv[1]
    models = sorted(m for f in sys.argv[2:] for m in Path(f).rglob("*.onnx") if not {"odd", "bad"} & set(m.parts))
    seen, wrong = Counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        for model in models:
            for form in FORMS:
                verdict = judge(mq, model, form, Path(folder))
                if verdict in ("ok", "stopped", "exit 3"):
                    seen[verdict] += 1
                else:
                    wrong += 1
                    print(f"{model.name} {' '.join(form)}: {verdict}")
    print(f"{len(models)} models in {len(FORMS)} forms: {dict(seen)}, {wrong} wrong")
    return wrong > 0 or seen["ok"] < len(models) // 4


sys.exit(main())
