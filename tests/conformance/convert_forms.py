#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Changes the precision and the opset of models and hands the results to the onnx checker, to ONNX Runtime and to the node tests'
own data. Rewrites have a test of their own, convert_models.py.

usage: convert_forms.py MQ NODES PATH... [--only NAME] [--every N] [--verbose]

NODES holds the node test folders (node_models.py); PATHs are models, or folders searched for *.onnx.
1. --precision fp16: a result passes the checker where the input does, and loads in ONNX Runtime where the input does; with
   --keep-io-types models have at least 40 dB there.
2. --opset: up to the newest that ONNX Runtime takes and down to older ones; the same, and node tests still give their expected
   outputs. What cannot be done is refused with exit 4 and leaves no file.
Needs the PyPI packages onnx, onnxruntime and numpy.
"""
import argparse
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

import quantize_loads

warnings.simplefilter("ignore")
ort.set_default_logger_severity(4)

OPSETS = [26, 21, 17, 13, 11]
FP16_FLOOR = 40
# In float16 these overflow, whatever is done: their outputs on random inputs are beyond 65504.
FP16_OVERFLOWS = {"simplified_ssd.onnx"}


class Tally:
    def __init__(self, verbose):
        self.n, self.refused, self.wrong, self.verbose = 0, 0, 0, verbose

    def fail(self, what, why):
        self.wrong += 1
        print(f"{what}: {why}", flush=True)


def convert(mq, source, target, *args):
    target.unlink(missing_ok=True)
    p = subprocess.run([mq, "convert", str(source), "-o", str(target), "-q", "-f", *args], capture_output=True, text=True, timeout=300)
    return p.returncode, p.stderr.strip()


def checks(path):
    try:
        onnx.checker.check_model(str(path))
        return None
    except Exception as e:
        return str(e)[:200]


def loads(path):
    try:
        return quantize_loads.session(path), None
    except Exception as e:
        return None, str(e)[:200]


def passes_tests(mq, folder):
    return subprocess.run([mq, "check", "--tests", str(folder), "-q"], capture_output=True, timeout=120).returncode == 0


def still_right(t, what, mq, folder, target, scratch):
    """The folder's data with the converted model."""
    place = scratch / "test"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    shutil.copy(target, place / "model.onnx")
    for name in folder.iterdir():
        if name.name.startswith("test_data_set") or name.name == "tol.txt":
            (place / name.name).symlink_to(name.resolve())
    if passes_tests(mq, folder) and not passes_tests(mq, place):
        t.fail(what, "the expected outputs are not given any more")


def sound(t, what, source, target):
    if checks(source) is None and (error := checks(target)):
        t.fail(what, f"the checker refuses it: {error}")
    before, _ = loads(source)
    after, error = loads(target)
    if before and not after and "NOT_IMPLEMENTED" not in error:  # ONNX Runtime lacks a kernel that it has for another version
        t.fail(what, f"does not load: {error}")
    return before, after


def same_outputs(t, what, source, before, after, floor):
    feed = quantize_loads.random_inputs(before, quantize_loads.SHAPES.get(source.name, {}), 1)
    if feed is None:
        return
    try:
        want = before.run(None, feed)
    except Exception:
        return
    got = after.run(None, {x.name: feed[x.name] for x in after.get_inputs()})
    db = quantize_loads.sqnr(want, got)
    if db is not None and not db >= floor:
        t.fail(what, f"{db:.1f} dB, expected {floor}")
    elif t.verbose and db is not None:
        print(f"{what}: {db:.1f} dB")


def half(t, mq, source, folder, scratch):
    what = f"{folder.name if folder else source.name} fp16"
    for keep in ([], ["--keep-io-types"]):
        target = scratch / "half.onnx"
        code, text = convert(mq, source, target, "--precision", "fp16", "--verify", "load", *keep)
        t.n += 1
        if code:
            t.refused += 1
            if code not in (3, 4) or target.exists() or (code == 3 and checks(source) is None):
                t.fail(what, f"exit {code}: {text}")
            return
        before, after = sound(t, what, source, target)
        if not folder and keep and before and after and source.name not in FP16_OVERFLOWS:
            same_outputs(t, what, source, before, after, FP16_FLOOR)


def opsets(t, mq, source, folder, scratch):
    for to in OPSETS:
        what = f"{folder.name if folder else source.name} opset {to}"
        target = scratch / "opset.onnx"
        code, text = convert(mq, source, target, "--opset", str(to), "--verify", "load" if folder else "auto")
        t.n += 1
        if code:
            t.refused += 1
            if code not in (3, 4) or target.exists() or (code == 3 and checks(source) is None):
                t.fail(what, f"exit {code}: {text}")
            continue
        versions = {o.domain: o.version for o in onnx.load(target, load_external_data=False).opset_import}
        if versions.get("", to) != to:
            t.fail(what, f"has opset {versions['']}")
        sound(t, what, source, target)
        if folder:
            still_right(t, what, mq, folder, target, scratch)


JOBS = {"half": half, "opsets": opsets}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mq")
    p.add_argument("nodes", type=Path)
    p.add_argument("paths", nargs="*")
    p.add_argument("--only", choices=JOBS)
    p.add_argument("--match", default="", help="only node tests and models whose names hold this")
    p.add_argument("--every", type=int, default=1, help="only each n-th node test")
    p.add_argument("--verbose", action="store_true")
    a = p.parse_args()
    folders = sorted(f for f in a.nodes.iterdir() if (f / "model.onnx").exists())[::a.every]
    models = [m for m in quantize_loads.find(a.paths) if not {"bad", "odd"} & set(m.parts)]
    sources = [(f / "model.onnx", f) for f in folders if a.match in f.name] + [(m, None) for m in models if a.match in m.name]
    wrong = 0
    np.seterr(all="ignore")
    with tempfile.TemporaryDirectory() as top:
        for name, job in JOBS.items():
            if a.only not in (None, name):
                continue
            t = Tally(a.verbose)
            for source, folder in sources:
                job(t, a.mq, source, folder, Path(top))
            print(f"{name}: {t.n} conversions, {t.refused} refused, {t.wrong} wrong", flush=True)
            wrong += t.wrong
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
