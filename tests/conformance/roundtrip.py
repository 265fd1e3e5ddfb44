#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Loads and saves models without a change, and compares.

usage: roundtrip.py ROUNDTRIP PATH... [--verbose]

PATHs are models, or folders searched for *.onnx. A file whose fields are in order (onnx writes it with the same bytes) has
to come out with the same bytes; of the others the messages have to be equal. External data move to one file beside the
model, so those models are compared with their data loaded. Files that onnx cannot read must be refused.
Needs the PyPI package onnx.
"""
import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import external_data_helper

warnings.simplefilter("ignore")

# Files that onnx reads and mq refuses, with the reason.
STRICTER = {
    "external_length_wrong": "the length is not that of the shape",
    "external_nul_in_location": "a text with a zero byte",
    "external_too_short": "the data file is shorter than the tensor",
    "nested_200.onnx": "messages nested more than 100 deep, the limit of protobuf in other languages",
    "unknown_fields.onnx": "it has a group, which ONNX never had",
    "wire_group_open.onnx": "a group that does not end",
    "wire_wire_type_wrong.onnx": "a field of the wrong kind, which would have to be kept as an unknown one",
}

# Invalid files that lose something, with the reason; every command that writes refuses them after the check.
LOSES = {"initializer_unnamed.onnx": "an initializer without a name cannot be referred to"}


def find(paths):
    for path in map(Path, paths):
        yield from sorted(path.rglob("*.onnx")) if path.is_dir() else [path]


def parse(path):
    """The message of a file, without external data; None when it is none."""
    try:
        return onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError):
        return None


def is_model(m):
    return m is not None and (m.HasField("graph") or m.HasField("ir_version") or len(m.opset_import) > 0)


def tensors(m):
    return list(external_data_helper._get_all_tensors(m))


def has_external(m):
    return any(external_data_helper.uses_external_data(t) for t in tensors(m))


def with_data(m, folder):
    """A copy with its external data inside, stored alike. Checksums, which are optional, are left out."""
    copy = onnx.ModelProto()
    copy.CopyFrom(m)
    for t in tensors(copy):
        if external_data_helper.uses_external_data(t):
            external_data_helper.load_external_data_for_tensor(t, str(folder))
            t.ClearField("data_location")
            del t.external_data[:]
    return copy


def data_of(m, folder):
    """with_data, or None where onnx finds no data."""
    try:
        return with_data(m, folder)
    except (ValueError, OSError, onnx.checker.ValidationError):
        return None


def compare(before, source, target):
    """What differs, or None."""
    got = parse(target)
    if got is None:
        return "the output cannot be read"
    if has_external(before):
        return None if data_of(before, source.parent) == data_of(got, target.parent) else "messages with their data differ"
    data = source.read_bytes()
    if before.SerializeToString(deterministic=True) == data:
        return None if target.read_bytes() == data else "bytes differ"
    return None if got == before else "messages differ"


class Runner:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def copy(self, source, target):
        self.process.stdin.write(f"{source}\t{target}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{source}: the program died ({self.process.wait()})")
        return line.strip()


def check(runner, source, target):
    """(what was compared, what is wrong or None)"""
    before = parse(source)
    answer = runner.copy(source.resolve(), target)
    known = is_model(before) and (not has_external(before) or data_of(before, source.parent) is not None)
    if not known:
        return "refused", None if answer.startswith("input:") else f"onnx cannot read it, yet {answer}"
    if answer != "ok":
        reason = STRICTER.get(source.name) or STRICTER.get(source.parent.name)
        return "refused", None if reason and answer.startswith("input:") else answer
    return "same", None if source.name in LOSES else compare(before, source, target)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program")
    p.add_argument("paths", nargs="+")
    p.add_argument("--verbose", action="store_true", help="name every file that is refused")
    a = p.parse_args()
    runner = Runner(a.program)
    counts, wrong = {"same": 0, "refused": 0}, 0
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.onnx"
        for source in find(a.paths):
            what, error = check(runner, source, target)
            counts[what] += 1
            if error:
                wrong += 1
                print(f"{source}: {error}")
            elif a.verbose and what == "refused":
                print(f"{source}: refused")
            for left in Path(folder).iterdir():
                left.unlink()
    print(f"{sum(counts.values())} models: {counts['same']} the same, {counts['refused']} refused, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
