# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Times that mq bench --with-onnxruntime tells of ONNX Runtime beside those that a Python program takes by itself: in turns,
so that a busy machine disturbs both, and compared generously. Also that bounds of time hold there.

usage: bench_times.py MQ MODEL...
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ROUNDS, SECONDS, FACTOR = 5, 0.4, 1.35
mq, *models = sys.argv[1:]
env = dict(os.environ, MQ_PYTHON=sys.executable)
bad = 0


def save_mlp(path):
    """About a millisecond of products."""
    rng = np.random.default_rng(1)
    weights = [numpy_helper.from_array((rng.normal(size=(1024, 1024)) / 32).astype(np.float32), f"w{i}") for i in range(4)]
    nodes = []
    for i in range(4):
        nodes += [helper.make_node("MatMul", [f"h{i}", f"w{i}"], [f"m{i}"]), helper.make_node("Relu", [f"m{i}"], [f"h{i + 1}"])]
    graph = helper.make_graph(nodes, "mlp", [helper.make_tensor_value_info("h0", TensorProto.FLOAT, [8, 1024])],
                              [helper.make_tensor_value_info("h4", TensorProto.FLOAT, [8, 1024])], weights)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)


def session_of(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def median_here(session, feeds):
    times, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter_ns()
        session.run(None, feeds)
        times.append((time.perf_counter_ns() - start) * 1e-6)
    return statistics.median(times)


def bench(model, *options):
    return subprocess.run([mq, "bench", model, "-j", "1", "--with-onnxruntime", "-q", "--json", *options], env=env,
                          capture_output=True, text=True)


def median_there(model):
    run = bench(model, "--duration", f"{2 * SECONDS}s")  # shared by two engines
    rows = [r for r in json.loads(run.stdout)["latency"] if r["engine"] == f"onnxruntime {onnxruntime.__version__}"]
    return rows[0]["ms"]["median"]


def compare(model):
    global bad
    session = session_of(model)
    feeds = {i.name: np.random.default_rng(2).normal(size=[d if isinstance(d, int) else 1 for d in i.shape]).astype(np.float32)
             for i in session.get_inputs()}
    median_here(session, feeds)
    pairs = [(median_there(model), median_here(session, feeds)) for _ in range(ROUNDS)]
    ratio = statistics.median(a / b for a, b in pairs)
    fine = 1 / FACTOR <= ratio <= FACTOR
    bad += not fine
    print(f"{os.path.basename(model)}: mq bench tells {ratio:.3f} of what Python measures{'' if fine else ': too different'}")


def check_bounds(model):
    """What only ONNX Runtime can miss is missed: a latency that lies under its fastest run ever."""
    global bad
    for limit, want in (("1h", 0), ("0.000001ms", 1)):
        run = bench(model, "--runs", "10", "--max-latency", limit)
        bounds = json.loads(run.stdout)["bounds"]
        there = [b["pass"] for b in bounds if "onnxruntime" in b["tensor"]]
        if run.returncode != want or there != [want == 0]:
            bad += 1
            print(f"--max-latency {limit}: exit status {run.returncode}, {bounds}")


with tempfile.TemporaryDirectory() as folder:
    save_mlp(f"{folder}/mlp.onnx")
    for each in [f"{folder}/mlp.onnx", *models]:
        compare(each)
    check_bounds(f"{folder}/mlp.onnx")
    check = subprocess.run([mq, "check", f"{folder}/mlp.onnx", "--with-onnxruntime", "--data", "random:3"], env=env,
                           capture_output=True, text=True)
    if check.returncode or "agrees with onnxruntime" not in check.stdout:
        bad += 1
        print(f"mq check --with-onnxruntime: exit status {check.returncode}: {check.stdout}{check.stderr}")
sys.exit(bad > 0)
