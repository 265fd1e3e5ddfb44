#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""GFLOP/s of a model's heaviest products in the engine, beside what oneDNN reaches on the same shapes alone.

usage: bench_nodes.py MQ ONEDNN_ALONE MODEL[@DIM=N,DIM=N] [--threads N] [--nodes N] [--rounds N] [--max-loss SHARE] [--hot]

The profile of `mq bench` and tests/onednn_alone take turns; of each the best figure of all rounds counts: both are products
of the same floats, and what disturbs only makes them slower. Alone, oneDNN goes round over 64 MB of operands (--hot: the
same ones again and again, which a net never has). The engine's node also applies what is fused into it. Prints a markdown
table, a row for each shape. With --max-loss 0.15 the exit status is 1 when the shapes together lose more than that, weighted
by their time."""
import argparse
import collections
import json
import os
import subprocess
import sys

import onnx
from onnx import shape_inference


def dims_of(model, dims):
    for v in list(model.graph.input) + list(model.graph.output):
        for d in v.type.tensor_type.shape.dim:
            if d.dim_param in dims:
                d.dim_value = dims[d.dim_param]
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    out = {t.name: list(t.dims) for t in inferred.initializer}
    for v in list(inferred.value_info) + list(inferred.input):
        out[v.name] = [d.dim_value for d in v.type.tensor_type.shape.dim]
    return out


def shapes_of(path, dims):
    """Name of a node (or the scope it is in) to its shape as onednn_alone takes it."""
    model = onnx.load(path)
    sizes, found = dims_of(model, dims), {}
    rows = 1
    for d in dims.values():
        rows *= d
    for n in model.graph.node:
        w = sizes.get(n.input[1]) if len(n.input) > 1 else None
        if n.op_type == "Conv" and len(w) == 4 and sizes.get(n.input[0]):
            a = {x.name: onnx.helper.get_attribute_value(x) for x in n.attribute}
            x, group = sizes[n.input[0]], a.get("group", 1)
            numbers = [w[0], group, x[1], *x[2:], *w[2:], *a.get("strides", [1, 1]), *a.get("pads", [0, 0, 0, 0])]
            found[n.name] = "conv:" + ",".join(map(str, numbers))
        elif n.op_type == "MatMul" and w and len(w) == 2 and n.input[1] in {t.name for t in model.graph.initializer}:
            found[os.path.dirname(n.name) + "/"] = f"matmul:{rows},{w[0]},{w[1]}"
    return found


def profile(mq, path, dims, threads):
    command = [mq, "bench", path, "-j", str(threads), "--profile", "--json", "-q", "--duration", "2s"]
    for name, size in dims.items():
        command += ["--dim", f"{name}={size}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["profile"][0]["nodes"]


def alone(program, shapes, threads, hot):
    command = [program, str(threads), "hot" if hot else "cold", *shapes]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    best = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        if row["gflops"] > best.get(row["shape"], (0, ""))[0]:
            best[row["shape"]] = row["gflops"], row["implementation"]
    return best


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mq")
    p.add_argument("alone")
    p.add_argument("model")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--nodes", type=int, default=10)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--max-loss", type=float)
    p.add_argument("--hot", action="store_true")
    args = p.parse_args()
    path, _, spec = args.model.partition("@")
    dims = {k: int(v) for k, v in (d.split("=") for d in spec.split(",") if d)}
    known = shapes_of(path, dims)

    mine, theirs, macs = collections.defaultdict(dict), {}, {}
    for _ in range(args.rounds):
        for n in profile(args.mq, path, dims, args.threads):
            fits = [k for k in known if n["name"].startswith(k)]
            if n["macs"] and fits:
                shape = known[max(fits, key=len)]
                macs[shape] = n["macs"]
                before = mine[shape].get(n["name"], (n["ms"], ""))[0]
                mine[shape][n["name"]] = min(before, n["ms"]), n["kernel"]
        heavy = sorted(mine, key=lambda s: -macs[s] * len(mine[s]))[:args.nodes]
        for shape, best in alone(args.alone, heavy, args.threads, args.hot).items():
            theirs[shape] = max(theirs.get(shape, (0, "")), best)

    print("| shape | nodes | kernel | GFLOP/s | oneDNN alone | its implementation | share |")
    print("| --- | --: | --- | --: | --: | --- | --: |")
    spent = wanted = 0
    for shape in heavy:
        ms = sum(t for t, _ in mine[shape].values()) / len(mine[shape])
        reached, (best, name) = 2e-6 * macs[shape] / ms, theirs[shape]
        spent += ms * len(mine[shape])
        wanted += 2e-6 * macs[shape] / best * len(mine[shape])
        kernel = next(iter(mine[shape].values()))[1]
        print(f"| {shape} | {len(mine[shape])} | {kernel} | {reached:.0f} | {best:.0f} | {name} | {reached / best:.2f} |")
    print(f"\nTogether {wanted / spent:.2f} of what oneDNN reaches alone.")
    sys.exit(args.max_loss is not None and wanted / spent < 1 - args.max_loss)


if __name__ == "__main__":
    main()
