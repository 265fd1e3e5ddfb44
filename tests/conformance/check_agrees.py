#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Compares the verdict of `mq check` with onnx.checker.check_model(path) on models, and on broken copies of them.

    check_agrees.py --mq build/tools/mq FOLDER... [--broken N] [--bytes N] [--seed S]

Every .onnx file below the folders is checked as it is; then each way to break a model (breaker.py) is tried on N of the
smaller ones, and N files with damaged bytes. Exit 1 with the disagreements. Where mq is stricter on purpose, every error it
gives must be one of STRICTER (docs/check.md says why); these are counted."""
import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter

import onnx

from breaker import BREAKERS, broken

# Errors that the checker does not look for, because no runtime could use such a model.
STRICTER = {
    "external-size",     # bytes behind the end of the data file
    "external-missing",  # '..' anywhere in a location
    "tensor-type",       # a data_type that ONNX does not have
    "tensor-shape",      # more elements than can be counted, in external tensors
}
# Also: a known field with the wire type of another, which protobuf's C++ reader takes for an unknown field and mq for a
# damaged file (exit 3).


def onnx_verdict(path):
    try:
        onnx.checker.check_model(path)
        return True, ""
    except Exception as e:  # any exception is a refusal
        return False, f"{type(e).__name__}: {e}"


def mq_verdict(mq, path):
    p = subprocess.run(mq + [path], capture_output=True, text=True, errors="replace", timeout=60)
    codes = set(re.findall(r": error: .*\[([a-z-]+)\]$", p.stdout, re.M))
    if p.returncode not in (0, 1, 3) or (p.returncode == 1) != bool(codes):
        raise RuntimeError(f"{path}: exit {p.returncode}\n{p.stdout}\n{p.stderr}")
    return p.returncode == 0, codes, p.stdout + p.stderr


class Tally:
    def __init__(self, mq):
        self.mq, self.counts, self.stricter, self.wrong = mq, Counter(), Counter(), 0

    def compare(self, path, what):
        ok_onnx, why = onnx_verdict(path)
        ok_mq, codes, text = mq_verdict(self.mq, path)
        self.counts["valid" if ok_onnx else "invalid"] += 1
        if ok_onnx == ok_mq:
            return
        if ok_onnx and codes <= STRICTER and (codes or "not a valid ONNX file" in text):
            self.stricter.update(codes or {"unreadable"})
            return
        self.wrong += 1
        if self.wrong <= 40:
            print(f"--- {what}\nonnx: {'valid' if ok_onnx else why.strip()[:400]}\nmq: {text.strip()[:600]}\n", flush=True)


def models_below(folders):
    for folder in folders:
        for root, dirs, files in os.walk(folder):
            dirs.sort()
            yield from (os.path.join(root, f) for f in sorted(files) if f.endswith(".onnx"))


def prepare(folder):
    """Data files beside the broken models, good ones and bad ones."""
    with open(os.path.join(folder, "weights.bin"), "wb") as f:
        f.write(bytes(100000))
    os.mkdir(os.path.join(folder, "folder"))
    os.symlink("weights.bin", os.path.join(folder, "link.bin"))
    with open(os.path.join(folder, "hard.bin"), "wb") as f:
        f.write(bytes(1000))
    os.link(os.path.join(folder, "hard.bin"), os.path.join(folder, "hard2.bin"))


def parses(path):
    """testdata/bad has files that are no models: nothing can be broken in them."""
    try:
        onnx.load(path, load_external_data=False)
    except Exception:  # protobuf's, and gzip's
        return False
    return True


def check_broken(tally, small, n, seed, folder):
    r = random.Random(seed)
    path = os.path.join(folder, "broken.onnx")
    for how in BREAKERS:
        done = 0
        for source in r.sample(small, min(len(small), 12 * n)):
            s = r.randrange(1 << 30)
            model = broken(onnx.load(source, load_external_data=False), how, s)
            if model is None:
                continue
            with open(path, "wb") as f:  # not onnx.save: it writes external data
                f.write(model.SerializeToString())
            tally.compare(path, f"{how.__name__} of {source}, seed {s}")
            done += 1
            if done == n:
                break


def check_bytes(tally, small, n, seed, folder):
    r = random.Random(seed + 1)
    path = os.path.join(folder, "bytes.onnx")
    for i in range(n):
        source = r.choice(small)
        with open(source, "rb") as f:
            data = bytearray(f.read())
        if r.random() < 0.3:
            del data[r.randrange(len(data)) :]
        else:
            for _ in range(r.choice([1, 1, 2, 5])):
                data[r.randrange(min(len(data), 4000))] = r.randrange(256)
        with open(path, "wb") as f:
            f.write(data)
        kept = os.path.join(folder, f"bytes{i}.onnx")
        wrong = tally.wrong
        tally.compare(path, f"damaged bytes of {source}, kept as {kept}")
        if tally.wrong > wrong:
            os.replace(path, kept)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--mq", required=True)
    a.add_argument("--broken", type=int, default=10)
    a.add_argument("--bytes", type=int, default=0)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--keep", help="folder for the broken copies, instead of a temporary one")
    a.add_argument("folders", nargs="+")
    o = a.parse_args()

    tally = Tally([o.mq, "check"] if os.path.basename(o.mq) == "mq" else [o.mq])
    paths = list(models_below(o.folders))
    if not paths:
        print("no models found: skipped")
        return 77
    for path in paths:
        tally.compare(path, path)
    print(f"as they are: {dict(tally.counts)}, {tally.wrong} disagreements", flush=True)

    small = [p for p in paths if os.path.getsize(p) < 300_000 and parses(p)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = o.keep or scratch
        os.makedirs(folder, exist_ok=True)
        prepare(folder)
        check_broken(tally, small, o.broken, o.seed, folder)
        check_bytes(tally, small, o.bytes, o.seed, folder)
    print(f"with broken copies: {dict(tally.counts)}, {tally.wrong} disagreements, stricter: {dict(tally.stricter)}")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
