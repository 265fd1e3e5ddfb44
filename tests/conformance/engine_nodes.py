#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""ONNX's own node tests in the engine: every one gives the expected outputs or is refused by the name of what is missing.

usage: engine_nodes.py MQ NODES DOCUMENT [--write]

NODES holds the test folders (node_models.py). DOCUMENT lists what is refused: it must say what this run says (--write makes it anew).
Tests of random numbers count as neither: their expected outputs are one draw."""
import argparse
import collections
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx

LEAST = 1250
RANDOM = {"Bernoulli", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial"}
# Tests whose expected outputs carry more rounding than their tolerance allows: they must agree within these bounds (rtol, atol)
# instead. Softmax in float16: the expected value is rounded at every step, ours once (1.04e-3 where 1e-3 is allowed). The inverse
# DFT: single precision left 1.9e-7 where the exact value is 0.
COARSE = {
    r"test_attention_4d_causal_fp16_expanded": ("2e-3", "1e-3"),
    r"test_dft_inverse(_opset19)?": ("1e-3", "1e-6"),
}
HEAD = """# What the engine does not run

Made by `tests/conformance/engine_nodes.py --write` from the node tests of the onnx package: {ok} of {all} give the expected outputs,
{refused} are refused (exit 4) for the reasons below, {random} are random by nature. {coarse} agree only to the precision of their
expected outputs, which are rounded where the engine computes in float or double. None is wrong.

| reason | tests |
| --- | --- |
"""


def is_random(folder):
    model = onnx.load(folder / "model.onnx")
    ops = {n.op_type for n in model.graph.node}
    return bool(ops & RANDOM) or (folder.name.startswith("test_training_dropout") and "zero_ratio" not in folder.name)


def agrees_coarsely(mq, folder):
    bounds = next((b for name, b in COARSE.items() if re.fullmatch(name, folder.name)), None)
    if not bounds:
        return False
    return subprocess.run([mq, "check", "--tests", str(folder), "--rtol", bounds[0], "--atol", bounds[1], "-q"], timeout=60,
                          capture_output=True, check=False).returncode == 0


def reason(text):
    """Without the node's name: "Op 28 has no kernel here"."""
    match = re.match(r"node '.*?' \((\S+?)(?: \d+)?\)(?: has|:) (.*)", text, re.S)
    return f"{match.group(1)}: {match.group(2)}" if match else text


def document(counts, reasons):
    rows = [f"| {name.replace('|', chr(92) + '|')} | {n} |\n" for name, n in sorted(reasons.items())]
    return HEAD.format(**counts) + "".join(rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mq")
    parser.add_argument("nodes", type=Path)
    parser.add_argument("document", type=Path)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        done = subprocess.run([args.mq, "check", "--tests", str(args.nodes), "--report", report.name, "-q"], capture_output=True,
                              text=True, timeout=1500, check=False)
        if done.returncode not in (0, 1, 4):
            sys.exit(f"mq check --tests: exit {done.returncode} {done.stderr}")
        found = json.load(open(report.name, encoding="utf-8")).get("findings", [])
    folders = sorted(p.parent for p in args.nodes.glob("*/model.onnx"))
    said = {Path(f["place"]).name: f for f in found}
    reasons, wrong = collections.Counter(), []
    counts = {"all": len(folders), "ok": 0, "refused": 0, "random": 0, "coarse": 0}
    for folder in folders:
        finding = said.get(folder.name)
        if finding and finding["code"] == "test-unsupported":
            counts["refused"] += 1
            reasons[reason(finding["text"])] += 1
        elif is_random(folder):
            counts["random"] += 1
        elif finding and agrees_coarsely(args.mq, folder):
            counts["coarse"] += 1
        elif finding:
            wrong.append(f"{folder.name}: {finding['text']}")
        else:
            counts["ok"] += 1
    print(f"{counts['ok']} of {counts['all']} equal, {counts['refused']} refused, {counts['random']} random, "
          f"{counts['coarse']} to the precision of what is expected, {len(wrong)} wrong")
    for line in wrong:
        print("wrong:", line)
    text = document(counts, reasons)
    if args.write:
        args.document.write_text(text, encoding="utf-8")
    elif args.document.read_text(encoding="utf-8") != text:
        print(f"{args.document} does not say what is refused now: run this with --write")
        return 1
    return 1 if wrong or counts["ok"] < LEAST else 0


if __name__ == "__main__":
    sys.exit(main())
