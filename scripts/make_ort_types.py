#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Makes src/ops/ort_types.inc: the element types that ONNX Runtime's CPU kernels take as first input, for the operators of
ai.onnx whose schema allows more. Facts come from the kernel registry of the installed onnxruntime (1.31.1 for the file in the
tree) and the schemas of the installed onnx.

    make_ort_types.py > src/ops/ort_types.inc

float16 counts as taken where float is: ONNX Runtime inserts casts. Operators with a function body are left out: their body
is used where a kernel is missing. The union over all versions is taken, so that nothing that runs is refused."""
from collections import defaultdict

import onnxruntime
import onnxruntime.capi.onnxruntime_pybind11_state as state
from onnx import TensorProto, defs

NEWEST = 26
OPEN = 2**31 - 1
NUMBERS = {f"tensor({name.lower()})": number for name, number in TensorProto.DataType.items()}


def schemas():
    versions = defaultdict(dict)
    for s in defs.get_all_schemas_with_history():
        if s.domain == "" and s.since_version <= NEWEST:
            versions[s.name][s.since_version] = s
    for name in sorted(versions):
        newest = versions[name][max(versions[name])]
        if not newest.deprecated and newest.inputs:
            yield newest


def kernels():
    found = defaultdict(list)
    for k in state.get_all_opkernel_def():
        first, last = k.version_range
        if k.provider == "CPUExecutionProvider" and k.domain in ("", "ai.onnx") and (last == OPEN or last >= 7):
            found[k.op_name].append(k.type_constraints)
    return found


def numbers(names):
    return {NUMBERS[n] for n in names if n in NUMBERS}


def main():
    by_name = kernels()
    print("/* SPDX-License-Identifier: Apache-2.0\n * SPDX-FileCopyrightText: mq authors */")
    print(f"/* Made by scripts/make_ort_types.py from onnxruntime {onnxruntime.__version__}: do not edit. */")
    for s in schemas():
        var = s.inputs[0].type_str
        allowed = next((c.allowed_type_strs for c in s.type_constraints if c.type_param_str == var), None)
        lists = by_name[s.name]
        if not allowed or not lists or any(var not in t for t in lists):
            continue
        if s.has_function or s.has_context_dependent_function:
            continue
        taken = set().union(*(numbers(t[var]) for t in lists))
        if TensorProto.FLOAT in taken:
            taken.add(TensorProto.FLOAT16)
        if numbers(allowed) - taken:
            print(f'{{ "{s.name}", {hex(sum(1 << n for n in taken))}u }},')


main()
