#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Makes a large model for bench.py and engine_memory.py.

usage: bench_models.py OUT.onnx inside|external LAYERS WIDTH INNER
       bench_models.py OUT.onnx encoder LAYERS WIDTH WORDS

inside, external: LAYERS MatMul + Relu with weights WIDTH x INNER and INNER x WIDTH in turn; external: weights go to OUT.onnx.data.
encoder: a BERT-like encoder in the operators that exporters write, with a vocabulary of WORDS; bert-base is 12 768 30522."""
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper


def save(path, nodes, inputs, outputs, inits):
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, inits)
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())


def stack(path, shapes, external):
    """A chain of MatMul + Relu with seeded normal weights of the given shapes."""
    rng = np.random.default_rng(0)
    nodes, inits, x = [], [], "x"
    data = open(str(path) + ".data", "wb") if external else None
    for i, (rows, cols) in enumerate(shapes):
        w = rng.standard_normal((rows, cols), dtype=np.float32) / np.float32(np.sqrt(rows))
        t = TensorProto(name=f"w{i}", data_type=TensorProto.FLOAT, dims=w.shape)
        if external:
            data.write(b"\0" * (-data.tell() % 4096))
            t.data_location = TensorProto.EXTERNAL
            for key, value in (("location", path.name + ".data"), ("offset", data.tell()), ("length", w.nbytes)):
                t.external_data.add(key=key, value=str(value))
            data.write(w.tobytes())
        else:
            t.raw_data = w.tobytes()
        inits.append(t)
        nodes += [helper.make_node("MatMul", [x, t.name], [f"m{i}"], f"mm{i}"), helper.make_node("Relu", [f"m{i}"], [f"r{i}"])]
        x = f"r{i}"
    save(path, nodes, [helper.make_tensor_value_info("x", 1, ["N", shapes[0][0]])],
         [helper.make_tensor_value_info(x, 1, ["N", shapes[-1][1]])], inits)
    if data:
        data.close()


class Encoder:
    """Nodes and weights of a BERT-like encoder."""

    def __init__(self, width, words):
        self.rng = np.random.default_rng(0)
        self.nodes, self.inits, self.width, self.words = [], [], width, words
        self.const("heads", np.array([0, 0, width // 64, 64], np.int64))
        self.const("joined", np.array([0, 0, width], np.int64))
        for name, value in (("one", 1), ("two", 2), ("half", 0.5), ("root2", 2**0.5), ("scale", 0.125), ("far", -1e9), ("epsilon", 1e-12)):
            self.const(name, np.array(value, np.float32))

    def const(self, name, value):
        kind = TensorProto.INT64 if value.dtype == np.int64 else TensorProto.FLOAT
        self.inits.append(TensorProto(name=name, data_type=kind, dims=value.shape, raw_data=value.tobytes()))
        return name

    def weight(self, name, *shape, spread=None):
        spread = shape[0] ** -0.5 if spread is None else spread
        return self.const(name, self.rng.standard_normal(shape, dtype=np.float32) * np.float32(spread))

    def op(self, kind, *inputs, **attrs):
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, **attrs))
        return name

    def linear(self, x, name, rows, cols):
        return self.op("Add", self.weight(name + ".bias", cols, spread=0.05), self.op("MatMul", x, self.weight(name, rows, cols)))

    def norm(self, x, name):
        centred = self.op("Sub", x, self.op("ReduceMean", x, axes=[-1]))
        spread = self.op("ReduceMean", self.op("Pow", centred, "two"), axes=[-1])
        unit = self.op("Div", centred, self.op("Sqrt", self.op("Add", spread, "epsilon")))
        scaled = self.op("Mul", unit, self.const(name, 1 + 0.1 * self.rng.standard_normal(self.width).astype(np.float32)))
        return self.op("Add", scaled, self.weight(name + ".bias", self.width, spread=0.05))

    def gelu(self, x):
        return self.op("Mul", self.op("Mul", x, self.op("Add", self.op("Erf", self.op("Div", x, "root2")), "one")), "half")

    def attention(self, x, mask, name):
        parts = [self.op("Reshape", self.linear(x, f"{name}.{p}", self.width, self.width), "heads") for p in ("q", "k", "v")]
        q, v = (self.op("Transpose", p, perm=[0, 2, 1, 3]) for p in (parts[0], parts[2]))
        k = self.op("Transpose", parts[1], perm=[0, 2, 3, 1])
        scores = self.op("Add", self.op("Mul", self.op("MatMul", q, k), "scale"), mask)
        mixed = self.op("Transpose", self.op("MatMul", self.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        return self.linear(self.op("Reshape", mixed, "joined"), name + ".out", self.width, self.width)

    def embed(self):
        tables = [("input_ids", self.words), ("token_type_ids", 2)]
        words, kinds = (self.op("Gather", self.weight("embed." + name, n, self.width, spread=0.05), name) for name, n in tables)
        length = self.op("Gather", self.op("Shape", "input_ids"), self.const("axis", np.array([1], np.int64)))
        ends = self.const("start", np.array([0], np.int64)), length
        places = self.op("Slice", self.weight("embed.place", 512, self.width, spread=0.05), *ends)
        return self.norm(self.op("Add", self.op("Add", words, kinds), places), "embed.norm")

    def layer(self, x, mask, name):
        x = self.norm(self.op("Add", self.attention(x, mask, name), x), name + ".norm1")
        inner = self.gelu(self.linear(x, name + ".up", self.width, 4 * self.width))
        return self.norm(self.op("Add", self.linear(inner, name + ".down", 4 * self.width, self.width), x), name + ".norm2")


def encoder(path, layers, width, words):
    e = Encoder(width, words)
    present = e.op("Unsqueeze", "attention_mask", e.const("mask.axes", np.array([1, 2], np.int64)))
    mask = e.op("Mul", e.op("Sub", "one", e.op("Cast", present, to=1)), "far")
    x = e.embed()
    for i in range(layers):
        x = e.layer(x, mask, f"layer{i}")
    names = ["input_ids", "attention_mask", "token_type_ids"]
    save(path, e.nodes, [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "seq"]) for n in names],
         [helper.make_tensor_value_info(x, 1, ["batch", "seq", width])], e.inits)


def main():
    path, how, layers, width, last = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])
    if how == "encoder":
        encoder(path, layers, width, last)
    else:
        stack(path, [(width, last) if i % 2 == 0 else (last, width) for i in range(layers)], how == "external")


main()
