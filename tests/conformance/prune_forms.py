#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Every form that `mq prune` writes passes onnx.checker and `mq check`, loads in ONNX Runtime, has the zeros that the report
says, and is its input elsewhere, bit for bit; zeros are still there after `mq quantize`.

usage: prune_forms.py MQ FOLDER...

Each .onnx file below the folders (odd/ and bad/ left out: other tests have them) up to 100 MB with each set of options
below; larger than 1 MB with the first two only. Exit status 2 (quantized already), 3 (invalid) and 4 (nothing to prune) are
counted; any other than 0 is wrong. Models whose weights lie in Constant nodes, inner graphs and outside are made here."""
import json
import logging
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FORMS = [line.split() for line in """
--sparsity 0.5
--pattern 2:4
--sparsity 30% --scope global
--sparsity 0.9 --no-keep-ends
--sparsity 0.5 --method random --seed 3
--sparsity 0.5 --method max
--sparsity 0.2 --method min --scope global
--sparsity 0.5 --pattern 1x4
--sparsity 0.5 --pattern 4x4 --method l2 --scope global
--threshold 0.01
--nonzeros 64
--pattern 1:4 --method random
--sparsity 0.8 --storage sparse
""".strip().splitlines()]
SMALL, LARGE = 1 << 20, 100 << 20


def constants(model):
    """Initializers and Constant nodes of all graphs by name."""
    found, graphs = {}, [model.graph]
    while graphs:
        graph = graphs.pop()
        for tensor in graph.initializer:
            found[tensor.name] = numpy_helper.to_array(tensor)
        for sparse in graph.sparse_initializer:
            values = numpy_helper.to_array(sparse.values)
            dense = np.zeros(tuple(sparse.dims), values.dtype)
            dense.reshape(-1)[numpy_helper.to_array(sparse.indices)] = values
            found[sparse.values.name] = dense
        for node in graph.node:
            graphs += [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
            if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
                found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found


def bits(array):
    return np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8).reshape(array.size, array.itemsize)


def differences(before, after, report):
    """What is wrong with the written constants, or ''."""
    told = {t["name"]: t for t in report["prune"]["tensors"]}
    for name, old in before.items():
        new = after.get(name)
        if new is None or new.shape != old.shape or new.dtype != old.dtype:
            return f"'{name}' is missing or of another form"
        if not old.size:
            continue
        changed = (bits(old) != bits(new)).any(axis=1)
        if name not in told and changed.any():
            return f"'{name}' was not to change"
        if (new.ravel()[changed] != 0).any():
            return f"'{name}' has other values"
        if name in told and abs(float((new == 0).mean()) - told[name]["sparsity"]) > 1e-6:
            return f"'{name}': {(new == 0).mean()} zeros, told {told[name]['sparsity']}"
    return ""


def still_zero(mq, pruned, out):
    """Are zeros of the pruned model zeros of the quantized one? '' or what is wrong."""
    done = subprocess.run([mq, "quantize", str(pruned), "-o", str(out), "-f", "-q", "--verify", "load", "--max-size", "none"],
                          capture_output=True, text=True, timeout=300)
    if done.returncode:
        return "" if done.returncode == 4 else f"mq quantize: exit {done.returncode}: {done.stderr.strip()[-200:]}"
    before, after = constants(onnx.load(pruned)), constants(onnx.load(out))
    for name, weights in before.items():
        codes = after.get(name + "_quantized")
        if codes is None or codes.shape != weights.shape or codes.dtype != np.int8:
            continue
        if (codes[weights == 0] != 0).any():
            return f"'{name}': a zero is none after quantization"
    return ""


def judge(mq, model, form, out):
    """'ok', 'exit N', or what is wrong."""
    out.unlink(missing_ok=True)
    report = out.with_suffix(".json")
    done = subprocess.run([mq, "prune", str(model), "-o", str(out), "-f", "-q", "--verify", "load", "--report", str(report), *form],
                          capture_output=True, text=True, timeout=300)
    if done.returncode in (2, 3, 4):
        return f"exit {done.returncode}"
    if done.returncode:
        return f"exit {done.returncode}: {done.stderr.strip()[-300:]}"
    try:
        onnx.checker.check_model(str(out))
        onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    except Exception as e:
        try:
            onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        except Exception:
            return "ok"  # nor does it take the input
        return f"not taken: {str(e)[:300]}"
    if subprocess.run([mq, "check", str(out), "-q"], capture_output=True, timeout=120).returncode:
        return "mq check finds something"
    wrong = differences(constants(onnx.load(model)), constants(onnx.load(out)), json.loads(report.read_text()))
    return wrong or (still_zero(mq, out, out.with_name("quantized.onnx")) if form is FORMS[0] else "") or "ok"


def made(folder):
    """Weights in a Constant node, in both branches of an If, outside the file, of 16 and 64 bits, and shared."""
    rng = np.random.default_rng(4)

    def weight(name, *shape, dtype=np.float32):
        return numpy_helper.from_array(rng.standard_normal(shape).astype(dtype), name)

    def save(name, nodes, inits, shape, out_shape, dtype=TensorProto.FLOAT, **external):
        graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info("x", dtype, shape)],
                                  [helper.make_tensor_value_info("y", dtype, out_shape)], inits)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, folder / f"{name}.onnx", **external)

    chain = [helper.make_node("MatMul", ["x", "a"], ["p"], "one"), helper.make_node("MatMul", ["p", "b"], ["q"], "two"),
             helper.make_node("MatMul", ["q", "c"], ["y"], "three")]
    save("constant", [helper.make_node("Constant", [], ["b"], "held", value=weight("", 24, 32)), *chain],
         [weight("a", 16, 24), weight("c", 32, 8)], [2, 16], [2, 8])
    save("outside", chain, [weight("a", 16, 24), weight("b", 24, 32), weight("c", 32, 8)], [2, 16], [2, 8],
         save_as_external_data=True, location="outside.data", size_threshold=64)
    for kind, number, np_type in (("half", TensorProto.FLOAT16, np.float16), ("double", TensorProto.DOUBLE, np.float64)):
        save(kind, chain, [weight("a", 16, 24, dtype=np_type), weight("b", 24, 32, dtype=np_type),
                           weight("c", 32, 8, dtype=np_type)], [2, 16], [2, 8], number)
    save("shared", [helper.make_node("MatMul", ["x", "f"], ["o"], "zero"), helper.make_node("MatMul", ["o", "a"], ["p"], "one"),
                    helper.make_node("MatMul", ["p", "a"], ["q"], "two"),
                    helper.make_node("Transpose", ["a"], ["t"], "turn"), helper.make_node("MatMul", ["q", "t"], ["r"], "three"),
                    helper.make_node("MatMul", ["r", "c"], ["y"], "four")],
         [weight("f", 16, 16), weight("a", 16, 16), weight("c", 16, 8)], [2, 16], [2, 8])
    branches = [helper.make_graph([helper.make_node("MatMul", ["p", name], [f"{name}_y"], f"in_{name}")], name,
                                  [], [helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, [2, 8])],
                                  [weight(name, 24, 8)]) for name in ("yes", "no")]
    save("inner", [helper.make_node("MatMul", ["x", "a"], ["p"], "one"),
                   helper.make_node("ReduceSum", ["p"], ["s"], "sum", keepdims=0), helper.make_node("Cast", ["s"], ["if"], "cast", to=9),
                   helper.make_node("If", ["if"], ["y"], "choose", then_branch=branches[0], else_branch=branches[1])],
         [weight("a", 16, 24)], [2, 16], [2, 8])


def main(mq, folders):
    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(4)
    counts, wrong = Counter(), []
    with tempfile.TemporaryDirectory() as temp:
        temp = Path(temp)
        (temp / "made").mkdir()
        made(temp / "made")
        models = [p for folder in [temp / "made", *map(Path, folders)] for p in sorted(folder.rglob("*.onnx"))
                  if not {"odd", "bad"} & set(p.parts) and p.stat().st_size < LARGE]
        for model in models:
            for form in FORMS if model.stat().st_size < SMALL else FORMS[:2]:
                got = judge(mq, model, form, temp / "out.onnx")
                counts[got if got == "ok" or got[:-1] == "exit " else "wrong"] += 1
                if got != "ok" and got[:-1] != "exit " or (model.parent.name == "made" and got != "ok" and "1x4" not in form):
                    wrong.append(f"{model.name} {' '.join(form)}: {got}")
    print(f"prune_forms: {dict(counts)} of {len(models)} models")
    for line in wrong[:20]:
        print("  " + line)
    return bool(wrong) or not counts["ok"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
