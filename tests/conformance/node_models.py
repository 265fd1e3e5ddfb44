#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Writes the node tests of the onnx package as folders.

usage: node_models.py OUTDIR

OUTDIR/NAME/model.onnx and OUTDIR/NAME/test_data_set_K/{input,output}_J.pb, in the order of the graph's inputs and outputs;
OUTDIR/NAME/tol.txt has the relative and the absolute tolerance of the test."""
import sys
import warnings
from pathlib import Path

import numpy as np
from onnx import TensorProto, numpy_helper
from onnx.backend.test.loader import load_model_tests

ENCODERS = {
    "tensor_type": numpy_helper.from_array,
    "sequence_type": numpy_helper.from_list,
    "optional_type": numpy_helper.from_optional,
    "map_type": numpy_helper.from_dict,
}


def encode(value, info):
    """A value as a message; some tests hold ready-made ones."""
    if isinstance(value, TensorProto):
        return value
    kind = info.type.WhichOneof("value")
    if kind == "tensor_type":
        value = np.asarray(value)
    return ENCODERS[kind](value, info.name)


def write_case(case, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    (folder / "tol.txt").write_text(f"{case.rtol} {case.atol}\n")
    graph = case.model.graph
    for k, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{k}"
        data.mkdir(exist_ok=True)
        for kind, values, infos in (("input", inputs, graph.input), ("output", outputs, graph.output)):
            for j, (value, info) in enumerate(zip(values, infos)):
                (data / f"{kind}_{j}.pb").write_bytes(encode(value, info).SerializeToString())


def main():
    warnings.filterwarnings("ignore")
    cases = load_model_tests(kind="node")
    for case in cases:
        write_case(case, Path(sys.argv[1]) / case.name)
    print(len(cases), "models written")


main()
