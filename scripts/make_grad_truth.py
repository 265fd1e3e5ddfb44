#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Makes models that hold the gradients torch computes for them: what tests/unit/train/grad_models.c compares with.

    make_grad_truth.py FOLDER                 the small models of testdata/grad
    make_grad_truth.py FOLDER MODEL.onnx...   the same of these models, with random inputs, into FOLDER

Each file is one model: its output is a loss, its inputs have values of their own (initializers), and beside each float
weight NAME lies an initializer NAME.grad that no node reads: d loss / d NAME, computed by torch in float64 (stored as float).
BatchNormalization uses the statistics of the batch. Needs onnx, numpy and torch (2.x). Same versions, same bytes.
"""
import os
import sys

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

torch.set_num_threads(1)
OPSET = 17


# ---- torch runs a graph ----------------------------------------------------------------------------------------------


def padded(x, pads, fill=0.0):
    n = len(pads) // 2
    return F.pad(x, [p for i in reversed(range(n)) for p in (pads[i], pads[n + i])], value=fill)


def window(x, a, kernel, fill=0.0):
    """x with its padding as zeros (or `fill`), and strides and dilations of a node."""
    n = len(kernel)
    strides, dilations = a.get("strides", [1] * n), a.get("dilations", [1] * n)
    pads = a.get("pads", [0] * (2 * n))
    if a.get("auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER"):
        total = [
            max((-(-s // st) - 1) * st + (k - 1) * d + 1 - s, 0)
            for s, st, k, d in zip(x.shape[2:], strides, kernel, dilations)
        ]
        small, large = [t // 2 for t in total], [t - t // 2 for t in total]
        pads = small + large if a["auto_pad"] == b"SAME_UPPER" else large + small
    return padded(x, pads, fill), strides, dilations


def conv(a, x, w, b=None):
    x, strides, dilations = window(x, a, w.shape[2:])
    call = {1: F.conv1d, 2: F.conv2d}[w.dim() - 2]
    return call(x, w, b, stride=strides, dilation=dilations, groups=a.get("group", 1))


def average_pool(a, x):
    assert not any(a.get("pads", [])) and a.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    return F.avg_pool2d(x, a["kernel_shape"], a.get("strides", [1, 1]))


def max_pool(a, x):
    x, strides, dilations = window(x, a, a["kernel_shape"], -torch.inf)
    return F.max_pool2d(x, a["kernel_shape"], strides, dilation=dilations)


def gemm(a, x, y, z=None):
    x, y = x.T if a.get("transA") else x, y.T if a.get("transB") else y
    out = a.get("alpha", 1.0) * x @ y
    return out if z is None else out + a.get("beta", 1.0) * z


def lstm(a, x, w, r, b, *_):
    """Gates i, o, f, c of ONNX in torch's order i, f, c, o."""
    hidden = a["hidden_size"]
    order = torch.cat([torch.arange(g * hidden, (g + 1) * hidden) for g in (0, 2, 3, 1)])
    weights = []
    for d in range(w.shape[0]):
        weights += [w[d][order], r[d][order], b[d][: 4 * hidden][order], b[d][4 * hidden :][order]]
    zeros = torch.zeros(w.shape[0], x.shape[1], hidden, dtype=x.dtype)
    y, h, c = torch.lstm(x, (zeros, zeros), weights, True, 1, 0.0, False, w.shape[0] == 2, False)
    return y.reshape(x.shape[0], x.shape[1], w.shape[0], hidden).transpose(1, 2), h, c


def reshape(a, x, shape):
    return x.reshape([x.shape[i] if s == 0 else int(s) for i, s in enumerate(shape.tolist())])


def unsqueeze(a, x, axes):
    rank = x.dim() + axes.numel()
    for axis in sorted(int(i) % rank for i in axes):
        x = x.unsqueeze(axis)
    return x


def slice_(a, x, starts, ends, axes=None, steps=None):
    for k, (start, end) in enumerate(zip(starts.tolist(), ends.tolist())):
        step = 1 if steps is None else int(steps[k])
        axis = k if axes is None else int(axes[k])
        x = x[(slice(None),) * (axis % x.dim()) + (slice(start, min(end, x.shape[axis]), step),)]
    return x


def reduce_mean(a, x, axes=None):
    axes = a.get("axes", list(range(x.dim()))) if axes is None else axes.tolist()
    return x.mean(dim=axes, keepdim=bool(a.get("keepdims", 1)))


def constant_of_shape(a, shape):
    value = numpy_helper.to_array(a["value"]) if "value" in a else np.zeros(1, np.float32)
    return torch.full(shape.tolist(), value.item())


def cast(a, x):
    to = helper.tensor_dtype_to_np_dtype(a["to"])
    return x.to(torch.float64 if to == np.float32 else torch.from_numpy(np.zeros(0, to)).dtype)


OPERATORS = {
    "Add": lambda a, x, y: x + y,
    "AveragePool": average_pool,
    "BatchNormalization": lambda a, x, s, b, m, v: F.batch_norm(
        x, None, None, s, b, training=True, eps=a.get("epsilon", 1e-5)
    ),
    "Cast": cast,
    "Concat": lambda a, *x: torch.cat(x, a["axis"]),
    "Constant": lambda a: to_torch(numpy_helper.to_array(a["value"])),
    "ConstantOfShape": constant_of_shape,
    "Conv": conv,
    "Div": lambda a, x, y: x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc"),
    "Erf": lambda a, x: torch.erf(x),
    "Flatten": lambda a, x: x.flatten(1),
    "Gather": lambda a, x, i: torch.index_select(x, a.get("axis", 0), i.flatten()).reshape(
        list(x.shape[: a.get("axis", 0)]) + list(i.shape) + list(x.shape[a.get("axis", 0) + 1 :])
    ),
    "Gemm": gemm,
    "GlobalAveragePool": lambda a, x: x.mean(dim=tuple(range(2, x.dim())), keepdim=True),
    "LSTM": lstm,
    "LayerNormalization": lambda a, x, s, b=None: F.layer_norm(x, s.shape, s, b, a.get("epsilon", 1e-5)),
    "MatMul": lambda a, x, y: x @ y,
    "MaxPool": max_pool,
    "Mul": lambda a, x, y: x * y,
    "Pow": lambda a, x, y: x**y,
    "ReduceMean": reduce_mean,
    "Relu": lambda a, x: F.relu(x),
    "Reshape": reshape,
    "Shape": lambda a, x: torch.tensor(x.shape),
    "Slice": slice_,
    "Softmax": lambda a, x: torch.softmax(x, a.get("axis", -1)),
    "SoftmaxCrossEntropyLoss": lambda a, x, t: F.cross_entropy(x, t),
    "Sqrt": lambda a, x: torch.sqrt(x),
    "Squeeze": lambda a, x, axes: x.squeeze(tuple(axes.tolist())),
    "Sub": lambda a, x, y: x - y,
    "Transpose": lambda a, x: x.permute(a["perm"]) if "perm" in a else x.permute(*reversed(range(x.dim()))),
    "Unsqueeze": unsqueeze,
}


def to_torch(array):
    t = torch.from_numpy(np.array(array))
    return t.double() if t.is_floating_point() else t


def run(graph, values):
    for n in graph.node:
        a = {x.name: helper.get_attribute_value(x) for x in n.attribute}
        out = OPERATORS[n.op_type](a, *(values[i] if i else None for i in n.input))
        for name, v in zip(n.output, out if isinstance(out, tuple) else (out,)):
            values[name] = v
    return values


def add_truth(model):
    """Runs the loss back and puts NAME.grad beside each float weight that it depends on."""
    graph = model.graph
    given = {i.name for i in graph.input}
    values = {t.name: to_torch(numpy_helper.to_array(t)) for t in graph.initializer}
    weights = [name for name, v in values.items() if v.is_floating_point() and name not in given]
    for name in weights:
        values[name].requires_grad_()
    values = run(graph, values)
    values[graph.output[0].name].sum().backward()
    for name in weights:
        if values[name].grad is not None:
            graph.initializer.append(numpy_helper.from_array(values[name].grad.numpy().astype(np.float32), name + ".grad"))
    return model


# ---- small models ----------------------------------------------------------------------------------------------------


class Net:
    """Nodes and seeded weights; each method gives the name of what it makes."""

    def __init__(self, name, seed):
        self.name, self.rng = name, np.random.default_rng(seed)
        self.nodes, self.weights, self.inputs, self.count = [], [], [], 0

    def op(self, op, *inputs, n=1, **attributes):
        self.count += 1
        out = [f"{op.lower()}{self.count}" + (f"_{i}" if i else "") for i in range(n)]
        self.nodes.append(helper.make_node(op, list(inputs), out, out[0], **attributes))
        return out[0] if n == 1 else out

    def const(self, values, dtype=np.int64):
        return self.weight(np.array(values, dtype), "c")

    def weight(self, array, name="w"):
        name = f"{name}{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def random(self, *shape, size=1.0, name="w"):
        return self.weight((self.rng.standard_normal(shape) * size).astype(np.float32), name)

    def input(self, name, array):
        self.weights.append(numpy_helper.from_array(array, name))
        dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
        self.inputs.append(helper.make_tensor_value_info(name, dtype, ["N"] + list(array.shape[1:])))
        return name

    def images(self, *shape):
        return self.input("x", self.rng.standard_normal(shape).astype(np.float32))

    def tokens(self, n, length, words):
        return self.input("x", self.rng.integers(0, words, (n, length)))

    def conv(self, x, inp, out, k, stride=1, group=1, bias=True, **attributes):
        w = self.random(out, inp // group, *k, size=(2.0 / (inp // group * k[0] * k[1])) ** 0.5)
        b = [self.random(out, size=0.1, name="b")] if bias else []
        if not attributes:
            attributes = {"pads": [k[0] // 2, k[1] // 2] * 2}
        return self.op("Conv", x, w, *b, strides=[stride] * 2, group=group, kernel_shape=k, **attributes)

    def norm(self, x, n):
        scale = self.weight((1 + 0.2 * self.rng.standard_normal(n)).astype(np.float32), "scale")
        rest = [self.random(n, size=0.2, name="b"), self.random(n, size=0.2, name="mean")]
        var = self.weight((1 + 0.2 * self.rng.random(n)).astype(np.float32), "var")
        return self.op("BatchNormalization", x, scale, *rest, var)

    def dense(self, x, inp, out):
        return self.op("Gemm", x, self.random(out, inp, size=inp**-0.5), self.random(out, size=0.1, name="b"), transB=1)

    def linear(self, x, inp, out):
        y = self.op("MatMul", x, self.random(inp, out, size=inp**-0.5))
        return self.op("Add", y, self.random(out, size=0.1, name="b"))

    def layer_norm(self, x, n):
        scale = self.weight((1 + 0.2 * self.rng.standard_normal(n)).astype(np.float32), "scale")
        return self.op("LayerNormalization", x, scale, self.random(n, size=0.2, name="b"))

    def classes(self, logits, n, count):
        return self.op("SoftmaxCrossEntropyLoss", logits, self.input("t", self.rng.integers(0, count, n)))

    def finish(self, loss):
        out = helper.make_tensor_value_info(loss, TensorProto.FLOAT, [])
        graph = helper.make_graph(self.nodes, self.name, self.inputs, [out], self.weights)
        return finish(graph, OPSET)


def finish(graph, opset):
    model = helper.make_model(graph, producer_name="mq", opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(add_truth(model))
    return model


def resnet8():
    net = Net("resnet8", 1)
    x = net.op("Relu", net.norm(net.conv(net.images(4, 3, 12, 12), 3, 4, [3, 3], bias=False), 4))
    channels = 4
    for out in (4, 8, 16):
        stride = 1 if out == channels else 2
        y = net.op("Relu", net.norm(net.conv(x, channels, out, [3, 3], stride, bias=False), out))
        y = net.norm(net.conv(y, out, out, [3, 3], bias=False), out)
        x = x if stride == 1 else net.conv(x, channels, out, [1, 1], stride, bias=False)
        x = net.op("Relu", net.op("Add", x, y))
        channels = out
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    return net.finish(net.classes(net.dense(x, 16, 10), 4, 10))


def tiny_cnn_bn():
    net = Net("tiny_cnn_bn", 2)
    x = net.op("Relu", net.norm(net.conv(net.images(4, 3, 10, 10), 3, 6, [3, 3]), 6))
    y = net.op("Relu", net.norm(net.conv(x, 6, 6, [3, 3], group=6), 6))
    y = net.op("Relu", net.norm(net.conv(y, 6, 6, [1, 1]), 6))
    x = net.op("MaxPool", net.op("Add", x, y), kernel_shape=[2, 2], strides=[2, 2])
    x = net.op("Relu", net.norm(net.conv(x, 6, 12, [3, 3], 2), 12))
    x = net.op("ReduceMean", x, axes=[2, 3], keepdims=0)
    return net.finish(net.classes(net.dense(x, 12, 10), 4, 10))


def kws_dscnn():
    net = Net("kws_dscnn", 3)
    x = net.images(3, 25, 10, 1)
    x = net.op("Reshape", x, net.const([-1, 1, 25, 10]))
    x = net.op("Relu", net.conv(x, 1, 8, [10, 4], 2, auto_pad="SAME_UPPER"))
    for _ in range(3):
        x = net.op("Relu", net.conv(x, 8, 8, [3, 3], group=8, auto_pad="SAME_UPPER"))
        x = net.op("Relu", net.conv(x, 8, 8, [1, 1]))
    x = net.op("AveragePool", x, kernel_shape=[13, 5])
    x = net.op("Softmax", net.linear(net.op("Reshape", x, net.const([-1, 8])), 8, 12))
    wrong = net.op("Sub", x, net.input("t", np.eye(12, dtype=np.float32)[:3]))
    return net.finish(net.op("ReduceMean", net.op("Mul", wrong, wrong), keepdims=0))


def lstm_net():
    net = Net("lstm", 4)
    x = net.op("Gather", net.random(20, 6), net.tokens(3, 7, 20))
    x = net.op("Transpose", x, perm=[1, 0, 2])
    size = 8**-0.5
    weights = [net.random(2, 32, 6, size=size), net.random(2, 32, 8, size=size), net.random(2, 64, size=0.1, name="b")]
    y, h, _ = net.op("LSTM", x, *weights, n=3, hidden_size=8, direction="bidirectional")
    h = net.op("Reshape", net.op("Transpose", h, perm=[1, 0, 2]), net.const([-1, 16]))
    y = net.op("ReduceMean", y, axes=[0, 1], keepdims=0)
    return net.finish(net.classes(net.dense(net.op("Concat", h, y, axis=1), 24, 5), 3, 5))


def attention(net, x, length, size, heads):
    def split(v, perm):
        return net.op("Transpose", net.op("Reshape", v, net.const([0, length, heads, size // heads])), perm=perm)

    q = split(net.linear(x, size, size), [0, 2, 1, 3])
    k = split(net.linear(x, size, size), [0, 2, 3, 1])
    v = split(net.linear(x, size, size), [0, 2, 1, 3])
    scores = net.op("Div", net.op("MatMul", q, k), net.const((size // heads) ** 0.5, np.float32))
    y = net.op("Transpose", net.op("MatMul", net.op("Softmax", scores), v), perm=[0, 2, 1, 3])
    return net.linear(net.op("Reshape", y, net.const([0, length, size])), size, size)


def gelu(net, x):
    erf = net.op("Erf", net.op("Div", x, net.const(2**0.5, np.float32)))
    return net.op("Mul", net.op("Mul", x, net.op("Add", erf, net.const(1.0, np.float32))), net.const(0.5, np.float32))


def encoder():
    net, length, size = Net("encoder", 5), 6, 16
    x = net.op("Gather", net.random(20, size, size=0.5), net.tokens(3, length, 20))
    x = net.op("Add", x, net.random(length, size, size=0.5))
    for _ in range(2):
        x = net.layer_norm(net.op("Add", x, attention(net, x, length, size, 2)), size)
        y = net.linear(gelu(net, net.linear(x, size, 32)), 32, size)
        x = net.layer_norm(net.op("Add", x, y), size)
    x = net.op("ReduceMean", x, axes=[1], keepdims=0)
    return net.finish(net.classes(net.dense(x, size, 5), 3, 5))


# ---- models from files -----------------------------------------------------------------------------------------------


def example(rng, value, batch, length):
    """A random value of an input; unknown sizes are the batch, then a length."""
    dims = [d.dim_value or (batch if i == 0 else length) for i, d in enumerate(value.type.tensor_type.shape.dim)]
    if value.type.tensor_type.elem_type == TensorProto.FLOAT:
        return rng.standard_normal(dims).astype(np.float32)
    if "mask" in value.name:
        return np.ones(dims, np.int64)
    return rng.integers(0, 2 if "type" in value.name else 1000, dims)


def of_file(path):
    """The model with the mean of (output - random)^2 as its loss."""
    model, rng = onnx.load(path), np.random.default_rng(6)
    g = model.graph
    for value in g.input:
        g.initializer.append(numpy_helper.from_array(example(rng, value, 4, 12), value.name))
    values = {t.name: to_torch(numpy_helper.to_array(t)) for t in g.initializer}
    with torch.no_grad():
        shape = run(g, values)[g.output[0].name].shape
    g.initializer.append(numpy_helper.from_array(rng.random(shape).astype(np.float32), "target"))
    g.input.append(helper.make_tensor_value_info("target", TensorProto.FLOAT, shape))
    g.node.append(helper.make_node("Sub", [g.output[0].name, "target"], ["wrong"]))
    g.node.append(helper.make_node("Mul", ["wrong", "wrong"], ["wrong2"]))
    g.node.append(helper.make_node("ReduceMean", ["wrong2"], ["loss"], keepdims=0))
    del g.output[:]
    g.output.append(helper.make_tensor_value_info("loss", TensorProto.FLOAT, []))
    return finish(g, model.opset_import[0].version)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    if len(sys.argv) > 2:
        for path in sys.argv[2:]:
            onnx.save(of_file(path), os.path.join(folder, os.path.basename(path)))
        return
    for make in (resnet8, tiny_cnn_bn, kws_dscnn, lstm_net, encoder):
        model = make()
        onnx.save(model, os.path.join(folder, model.graph.name + ".onnx"))


if __name__ == "__main__":
    main()
