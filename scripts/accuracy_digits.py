#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Accuracy of models of testdata/ on the 500 test digits, in ONNX Runtime.

usage: accuracy_digits.py MODEL...

Needs numpy and onnxruntime."""
import sys
from pathlib import Path

import numpy as np
import onnxruntime

DIGITS = Path(__file__).resolve().parent.parent / "testdata" / "digits.npz"


def accuracy(path, digits):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0]
    x = digits["test_x"].astype(np.float32) / 16
    if len(feed.shape) == 2:  # the MLP takes rows
        x = x.reshape(len(x), -1)
    (logits,) = session.run(None, {feed.name: x})
    return float((logits.argmax(1) == digits["test_y"]).mean())


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    digits = np.load(DIGITS)
    onnxruntime.set_default_logger_severity(3)
    for path in sys.argv[1:]:
        print(f"{path}  {accuracy(path, digits):.1%} of {len(digits['test_y'])}")


if __name__ == "__main__":
    main()
