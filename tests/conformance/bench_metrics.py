# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Metrics of mq bench beside the same ones in numpy: models that pass scores through, labels in all forms.

usage: bench_metrics.py MQ
"""
import json
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper

mq = sys.argv[1]
rng = np.random.default_rng(7)
bad = checked = 0


def save(path, shapes):
    """Passes each input x0, x1, ... to the output y0, y1, ..."""
    ins = [helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, s) for i, s in enumerate(shapes)]
    outs = [helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, s) for i, s in enumerate(shapes)]
    nodes = [helper.make_node("Identity", [f"x{i}"], [f"y{i}"]) for i in range(len(shapes))]
    model = helper.make_model(helper.make_graph(nodes, "pass", ins, outs), opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, path)


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def of_classes(scores, labels, probabilities=False):
    """scores [n, C], labels [n]; negative labels do not count; NaN is wrong."""
    keep = labels >= 0
    s, y = scores[keep].astype(np.float64), labels[keep]
    nan = np.isnan(s).any(1)
    own = s[np.arange(len(y)), y][:, None]
    with np.errstate(invalid="ignore"):
        place = (~(s < own) & (np.arange(s.shape[1]) < y[:, None])).sum(1) + (~(s <= own) & (np.arange(s.shape[1]) > y[:, None])).sum(1)
    guess = np.where(nan, -1, np.nan_to_num(s, nan=-np.inf).argmax(1))
    out = {"top1": (place == 0).mean(), "top5": (place < 5).mean()}
    if not nan.any():
        p = s if probabilities else softmax(s, 1)
        out["ce"] = -np.log(p[np.arange(len(y)), y]).mean()
        out["perplexity"] = np.exp(out["ce"])
        rows = []
        for c in range(s.shape[1]):
            tp, fp, fn = ((guess == c) & (y == c)).sum(), ((guess == c) & (y != c)).sum(), ((guess != c) & (y == c)).sum()
            rows.append((tp / (tp + fp) if tp + fp else 0, tp / (tp + fn) if tp + fn else 0,
                         2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0, tp + fp + fn, tp + fn))
        seen = [r for r in rows if r[3]]
        for i, name in enumerate(("precision", "recall", "f1")):
            out[name] = np.mean([r[i] for r in seen])
        out["classes"] = rows
    return out


def of_values(a, b):
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return {"mse": ((a - b) ** 2).mean(), "mae": np.abs(a - b).mean(), "cosine": a @ b / np.sqrt((a @ a) * (b @ b)),
            "sqnr": 10 * np.log10((b @ b) / ((a - b) @ (a - b)))}


def check(name, arrays, expect, options=(), shapes=None):
    global bad, checked
    with tempfile.TemporaryDirectory() as folder:
        inputs = [k for k in arrays if k.startswith("x")]
        save(f"{folder}/m.onnx", shapes or [["N", *arrays[k].shape[1:]] for k in inputs])
        np.savez(f"{folder}/d.npz", **arrays)
        labels = ["--labels", ":labels"] if "labels" in arrays else []
        command = [mq, "bench", f"{folder}/m.onnx", "--runs", "1", "--warmup", "0", "-q", "--json", "--data", f"{folder}/d.npz"]
        run = subprocess.run(command + labels + list(options), capture_output=True, text=True)
    if run.returncode:
        bad += 1
        return print(f"{name}: exit status {run.returncode}: {run.stderr.strip()}")
    told = json.loads(run.stdout).get("metrics", [])
    values = {v["name"]: v["value"] for v in told[0]["values"]} if told else {}
    for key, want in expect.items():
        checked += 1
        if key == "classes":
            got = [(c["precision"], c["recall"], c["f1"], c["samples"]) for c in told[0]["classes"]]
            fine = np.allclose(got, [(r[0], r[1], r[2], r[4]) for r in want], rtol=1e-12)
        elif key in values or want is not None:
            got = values.get(key)
            fine = want is not None and got is not None and np.isclose(got, want, rtol=1e-6, atol=1e-12)
        else:
            continue
        if not fine:
            bad += 1
            print(f"{name}: {key} is {got}, numpy has {want}")


def main():
    n, c = 97, 12
    y = rng.integers(0, c, n)
    x = rng.normal(size=(n, c)).astype(np.float32)
    x[np.arange(n), y] += 1.5
    want = {k: v for k, v in of_classes(x, y).items() if k != "perplexity"}
    check("logits", {"x0": x, "labels": y}, want)
    check("logits, batches", {"x0": x, "labels": y.astype(np.uint8)}, want, ["--batch", "10"])
    check("labels [n,1]", {"x0": x, "labels": y[:, None]}, want)
    check("one-hot", {"x0": x, "labels": np.eye(c, dtype=np.float32)[y]}, want, ["--batch", "8"])
    check("one-hot integers", {"x0": x, "labels": np.eye(c, dtype=np.int64)[y]}, want)
    check("one-hot as values", {"x0": x, "labels": np.eye(c, dtype=np.float32)[y]},
          {k: v for k, v in of_values(x, np.eye(c)[y]).items() if k in ("mse", "mae")}, ["--metric", "mse"])
    check("perplexity", {"x0": x, "labels": y}, of_classes(x, y), ["--metric", "perplexity"])
    p = softmax(x.astype(np.float64), 1).astype(np.float32)
    check("probabilities", {"x0": p, "labels": y}, {k: v for k, v in of_classes(p, y, True).items() if k != "perplexity"})
    skipped = np.where(rng.random(n) < 0.3, -100, y)
    check("labels that do not count", {"x0": x, "labels": skipped},
          {k: v for k, v in of_classes(x, skipped).items() if k != "perplexity"})
    torn = x.copy()
    torn[3, 4] = torn[9, y[9]] = np.nan
    check("NaN", {"x0": torn, "labels": y}, {"top1": of_classes(torn, y)["top1"]}, ["--allow-nonfinite"])
    nothing = np.full(n, -1)
    check("no label counts", {"x0": x, "labels": nothing}, {"top1": None, "ce": None})
    tokens = rng.normal(size=(5, 7, 20)).astype(np.float32)
    words = rng.integers(0, 20, (5, 7))
    check("tokens", {"x0": tokens, "labels": words}, of_classes(tokens.reshape(-1, 20), words.ravel()))
    planes = rng.normal(size=(4, 6, 8, 9)).astype(np.float32)
    mask = rng.integers(-1, 6, (4, 8, 9))
    want = of_classes(planes.transpose(0, 2, 3, 1).reshape(-1, 6), mask.ravel())
    check("segmentation", {"x0": planes, "labels": mask}, {k: v for k, v in want.items() if k != "perplexity"}, ["--batch", "3"])
    one = rng.normal(size=(n, 1)).astype(np.float32)
    yes = (one[:, 0] + rng.normal(size=n) > 0).astype(np.int64)
    want = of_classes(np.concatenate([np.zeros_like(one), one], 1), yes)
    check("one score", {"x0": one, "labels": yes}, {k: want[k] for k in ("top1", "precision", "recall", "f1", "ce", "classes")})
    a = rng.normal(size=(n, 5)).astype(np.float32)
    b = (a + 0.1 * rng.normal(size=a.shape)).astype(np.float32)
    check("values", {"x0": a, "labels": b}, of_values(a, b))
    check("reference outputs", {"x0": a, "y0": b}, of_values(a, b), ["--batch", "16"])
    check("the second output", {"x0": a, "x1": x, "labels": y}, {"top1": of_classes(x, y)["top1"]}, ["--metric-output", "y1"])
    check("a reference of the second output", {"x0": a, "x1": b, "y1": a}, of_values(b, a))
    print(f"{checked} figures, {bad} wrong")
    return bad > 0 or checked < 80


sys.exit(main())
