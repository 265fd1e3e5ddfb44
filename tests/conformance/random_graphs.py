# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Random valid ONNX models, for engine_random.py: many operators, patterns that an engine fuses and patterns that are nearly those,
graphs in graphs that read values around them, functions, sequences, shapes that change from run to run.

A value's dims are numbers or the symbols N and S, whose sizes a set of inputs chooses. Values stay small, so that what two
engines round differently stays small too."""
import random

import numpy as np
from onnx import TensorProto, helper, numpy_helper

NP = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64, TensorProto.FLOAT16: np.float16, TensorProto.INT64: np.int64,
      TensorProto.INT32: np.int32, TensorProto.BOOL: np.bool_, TensorProto.UINT8: np.uint8, TensorProto.INT8: np.int8}
F, D, H, I64, I32, B = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.INT32,
                        TensorProto.BOOL)
FLOATS = (F, D, H)
NEAR_ONE = ("Add", "Sub", "Mul", "Max", "Min")


class Unfit(Exception):
    """There is no value that a builder could begin with."""


class Value:
    def __init__(self, name, dtype, dims):
        self.name, self.dtype, self.dims = name, dtype, tuple(dims)

    @property
    def rank(self):
        return len(self.dims)


class Scope:
    """A graph being built; `up` is the one around it."""

    def __init__(self, maker, up=None):
        self.maker, self.up = maker, up
        self.nodes, self.inits, self.values, self.inputs = [], [], [], []

    def seen(self):
        return self.values + (self.up.seen() if self.up else [])


class Maker:
    """One model. Builders add nodes to self.scope; each returns nothing, its values join the scope's."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.np = np.random.default_rng(seed)
        self.opset = self.rng.choice([13, 14, 17, 18, 20, 21, 22])
        self.n = 0
        self.functions = []
        self.depth = 0
        self.steps = self.rng.random() < 0.35  # rounded values, whose differences are larger
        self.kind = self.rng.choice([F] * 8 + [D, H])
        self.scope = Scope(self)

    # ---- parts

    def name(self, stem="v"):
        self.n += 1
        return f"{stem}{self.n}"

    def node(self, op, inputs, dtype, dims, n_out=1, domain="", **attrs):
        """inputs: Value, None or name; returns the first output's Value (dtype and dims may be lists for several)."""
        names = [self.name() for _ in range(n_out)]
        given = [i.name if isinstance(i, Value) else i or "" for i in inputs]
        while given and not given[-1]:
            given.pop()
        label = self.name("node") if self.rng.random() < 0.9 else ""
        self.scope.nodes.append(helper.make_node(op, given, names, name=label, domain=domain, **attrs))
        dtypes = dtype if isinstance(dtype, list) else [dtype] * n_out
        shapes = dims if n_out > 1 and isinstance(dims, list) else [dims] * n_out
        made = [Value(*v) for v in zip(names, dtypes, shapes)]
        self.scope.values += made
        return made[0] if n_out == 1 else made

    def const(self, array, dtype=None):
        """An initializer, a Constant node, or one of an outer graph."""
        array = np.asarray(array)
        dtype = dtype or helper.np_dtype_to_tensor_dtype(array.dtype)
        array = array.astype(NP[dtype])
        v = Value(self.name("c"), dtype, array.shape)
        scope = self.scope
        while scope.up and self.rng.random() < 0.3:
            scope = scope.up
        if self.rng.random() < 0.15:
            self.scope.nodes.append(helper.make_node("Constant", [], [v.name], value=numpy_helper.from_array(array)))
        else:
            tensor = numpy_helper.from_array(array, v.name)
            if dtype == F and self.rng.random() < 0.2:  # stored as float_data
                tensor = helper.make_tensor(v.name, dtype, array.shape, array.ravel().tolist())
            scope.inits.append(tensor)
        return v

    def ints(self, *v):
        return self.const(np.array(v, np.int64))

    def weight(self, dims, dtype, scale=None):
        """A constant of random numbers, or one that is there already."""
        if self.rng.random() < 0.2:
            for t in self.scope.inits:
                if t.data_type == dtype and tuple(t.dims) == tuple(dims) and len(dims) > 0 and not t.name.startswith("p"):
                    return Value(t.name, dtype, dims)
        fan = np.prod(dims[1:]) if len(dims) > 1 else 1
        return self.const(self.np.standard_normal(dims) * (scale or 1 / np.sqrt(max(fan, 1))), dtype)

    def some(self, test=None):
        """A value that test likes, rather a young one; None: there is none."""
        fit = [v for v in self.scope.seen() if not test or test(v)]
        if not fit:
            return None
        return fit[-1 - min(int(self.rng.expovariate(0.35)), len(fit) - 1)] if self.rng.random() < 0.8 else self.rng.choice(fit)

    def chance(self, p):
        return self.rng.random() < p

    def float_value(self, low=0, high=6):
        v = self.some(lambda v: v.dtype in FLOATS and low <= v.rank <= high)
        if not v:
            raise Unfit
        return v

    def tame(self, v):
        """The same dims, within [-1, 1]."""
        return self.node(self.rng.choice(["Tanh", "Sigmoid", "Softsign"]), [v], v.dtype, v.dims)

    def scalar(self, number, v, rank1=None):
        return self.const(np.full((1,) if v.rank and (self.chance(0.3) if rank1 is None else rank1) else (), number), v.dtype)

    # ---- element by element

    def unary(self):
        v = self.float_value()
        ops = ["Relu", "Sigmoid", "Tanh", "Abs", "Neg", "Elu", "LeakyRelu", "HardSigmoid", "Softplus", "Softsign", "Selu", "Sin", "Cos",
               "Identity", "Celu", "ThresholdedRelu", "Relu", "Relu", "Erf"]
        if self.steps:
            ops += ["Sign", "Floor", "Ceil", "Round"]
        if self.opset >= 14:
            ops.append("HardSwish")
        if self.opset >= 18:
            ops.append("Mish")
        op = self.rng.choice(ops)
        if v.dtype == D and op in ("HardSigmoid", "Celu", "ThresholdedRelu", "Erf", "Softplus", "Elu", "Selu", "Softsign", "LeakyRelu",
                                   "HardSwish", "Mish"):
            op = "Tanh"
        attrs = {"alpha": self.rng.choice([0.1, 0.3])} if op in ("LeakyRelu", "Elu") and self.chance(0.6) else {}
        self.node(op, [v], v.dtype, v.dims, **attrs)

    def clip(self):
        v = self.float_value()
        low, high = self.rng.choice([(0, 6), (None, 0.5), (-0.4, None), (0, None), (-1, 1)])
        self.node("Clip", [v, None if low is None else self.scalar(low, v, False),
                           None if high is None else self.scalar(high, v, False)], v.dtype, v.dims)

    def safe(self):
        """Functions that want a certain range."""
        v = self.float_value()
        which = self.rng.randrange(4)
        if which == 0:
            self.node("Exp", [self.tame(v)], v.dtype, v.dims)
        elif which == 1:
            self.node("Sqrt", [self.node("Abs", [v], v.dtype, v.dims)], v.dtype, v.dims)
        elif which == 2:
            one = self.node("Add", [self.node("Abs", [v], v.dtype, v.dims), self.scalar(1.0, v)], v.dtype, v.dims)
            self.node(self.rng.choice(["Log", "Reciprocal", "Sqrt"]), [one], v.dtype, v.dims)
        else:
            self.node("Pow", [self.tame(v), self.scalar(self.rng.choice([2, 3]), v)], v.dtype, v.dims)

    def binary(self):
        v = self.float_value()
        op = self.rng.choice(["Add", "Mul", "Sub", "Max", "Min", "Add", "Mul", "Div", "Sum", "Mean", "PRelu"])
        same = self.some(lambda o: o.dtype == v.dtype and o.dims == v.dims)
        cut = self.rng.randrange(v.rank + 1)
        fixed = tuple(1 if isinstance(d, str) or self.chance(0.3) else d for d in v.dims[cut:])
        other = same if self.chance(0.5) else self.weight(fixed, v.dtype, 0.7)
        dims = v.dims
        if self.chance(0.1):
            other = v
        if op == "Div":
            other = self.node("Add", [self.node("Abs", [other], v.dtype, other.dims), self.scalar(1.0, v, False)], v.dtype, other.dims)
        if op == "PRelu":
            if other.rank > v.rank or v.dtype == H:
                return
            self.node(op, [v, other], v.dtype, dims)
            return
        pair = [other, v] if op != "Div" and self.chance(0.4) else [v, other]
        if op in ("Max", "Min", "Sum", "Mean") and self.chance(0.4):
            pair.append(v)
        self.node(op, pair, v.dtype, dims)

    def broadcast(self):
        """Two values that grow each other: [.., a, 1] and [1, b]."""
        v = self.float_value(1, 4)
        if v.rank < 2:
            return
        axis = self.rng.randrange(v.rank)
        mean = self.reduced("ReduceMean", v, [axis], 1)
        self.node(self.rng.choice(NEAR_ONE), [v, mean] if self.chance(0.5) else [mean, v], v.dtype, v.dims)

    def integer(self):
        v = self.some(lambda o: o.dtype in (I64, I32))
        if not v:
            return
        other = self.const(np.array(self.rng.choice([2, 3, -3, 5])), v.dtype)
        op = self.rng.choice(["Add", "Mul", "Sub", "Div", "Mod", "Max", "Min", "Neg", "Abs", "Cast"])
        if op in ("Neg", "Abs"):
            self.node(op, [v], v.dtype, v.dims)
        elif op == "Cast":
            self.node(op, [self.node("Mod", [v, self.const(np.array(7), v.dtype)], v.dtype, v.dims)], self.kind, v.dims, to=self.kind)
        elif op == "Mul":
            self.node(op, [self.node("Mod", [v, self.const(np.array(9), v.dtype)], v.dtype, v.dims), other], v.dtype, v.dims)
        else:
            self.node(op, [v, other], v.dtype, v.dims)

    def logic(self):
        v = self.float_value()
        same = self.some(lambda o: o.dtype == v.dtype and o.dims == v.dims) or v
        yes = self.node(self.rng.choice(["Greater", "Less"]), [v, self.scalar(0.1, v)], B, v.dims)
        if self.chance(0.3):
            yes = self.node("Not", [yes], B, v.dims)
        if self.chance(0.3):
            yes = self.node(self.rng.choice(["And", "Or", "Xor"]), [yes, self.node("Less", [same, self.scalar(0.3, v)], B, v.dims)], B,
                            v.dims)
        if self.chance(0.7):
            other = self.scalar(0.5, v) if self.chance(0.5) else same
            self.node("Where", [yes, v, other] if self.chance(0.5) else [yes, other, v], v.dtype, v.dims)
        else:
            to = self.rng.choice([I64, I32, self.kind])
            self.node("Cast", [yes], to, v.dims, to=to)

    def cast(self):
        v = self.float_value()
        to = self.rng.choice([F, D, H, F])
        back = self.node("Cast", [v], to, v.dims, to=to)
        if to != self.kind and self.chance(0.8):
            self.node("Cast", [back], self.kind, v.dims, to=self.kind)

    # ---- moving

    def transpose(self):
        v = self.some(lambda o: 2 <= o.rank <= 5)
        if not v:
            return
        perm = list(range(v.rank))
        self.rng.shuffle(perm)
        t = self.node("Transpose", [v], v.dtype, [v.dims[p] for p in perm], perm=perm)
        if self.chance(0.3):
            back = [perm.index(i) for i in range(v.rank)]
            self.node("Transpose", [t], v.dtype, v.dims, perm=back)

    def reshape(self):
        v = self.some(lambda o: 1 <= o.rank <= 5)
        if not v:
            return
        which = self.rng.randrange(5)
        symbols = [d for d in v.dims if isinstance(d, str)]
        if which == 0 and all(not isinstance(d, str) for d in v.dims[1:]):
            self.node("Reshape", [v, self.ints(0, -1)], v.dtype, [v.dims[0], int(np.prod(v.dims[1:], dtype=int))])
        elif which == 1:
            shape = self.node("Shape", [v], I64, [v.rank])
            self.node("Reshape", [v, shape], v.dtype, v.dims)
        elif which == 2:
            axis = self.rng.randrange(v.rank + 1)
            u = self.node("Unsqueeze", [v, self.ints(axis)], v.dtype, v.dims[:axis] + (1,) + v.dims[axis:])
            if self.chance(0.5):
                self.node("Squeeze", [u, self.ints(axis)], v.dtype, v.dims)
        elif which == 3 and not symbols[1:] and v.rank < 5:
            last = v.dims[-1]
            if not isinstance(last, str) and last % 2 == 0:
                dims = [-1 if isinstance(d, str) else d for d in v.dims[:-1]] + [2, last // 2]
                self.node("Reshape", [v, self.ints(*dims)], v.dtype, v.dims[:-1] + (2, last // 2))
        elif v.rank >= 2 and not isinstance(v.dims[1], str) and not any(isinstance(d, str) for d in v.dims[1:]):
            self.node("Flatten", [v], v.dtype, [v.dims[0], int(np.prod(v.dims[1:], dtype=int))], axis=1)

    def fixed_axis(self, v, least=2):
        """An axis of a fixed length; None: there is none."""
        axes = [i for i, d in enumerate(v.dims) if not isinstance(d, str) and d >= least]
        return self.rng.choice(axes) if axes else None

    def slice(self):
        v = self.some(lambda o: self.fixed_axis(o) is not None)
        if not v:
            return
        axis = self.fixed_axis(v)
        n = v.dims[axis]
        which = self.rng.randrange(4)
        if which == 0:
            start, end, step = self.rng.randrange(n), n + 5, self.rng.choice([1, 2])
        elif which == 1:
            start, end, step = -1, -100, self.rng.choice([-1, -2])
        else:
            start, end, step = 0, max(1, n - 1), 1
        length = len(range(n)[start:None if end < -50 else end:step])
        self.node("Slice", [v, self.ints(start), self.ints(end), self.ints(axis if self.chance(0.5) else axis - v.rank),
                            self.ints(step) if step != 1 or self.chance(0.5) else None], v.dtype,
                  v.dims[:axis] + (length,) + v.dims[axis + 1:])

    def split(self):
        v = self.some(lambda o: any(not isinstance(d, str) and d % 2 == 0 and d for d in o.dims))
        if not v:
            return
        axis = self.rng.choice([i for i, d in enumerate(v.dims) if not isinstance(d, str) and d % 2 == 0 and d])
        half = v.dims[axis] // 2
        dims = v.dims[:axis] + (half,) + v.dims[axis + 1:]
        parts = self.node("Split", [v, self.ints(half, half)], v.dtype, [dims, dims], n_out=2, axis=axis)
        if self.chance(0.5) and v.dtype in FLOATS:  # a gated unit
            self.node("Mul", [self.node("Sigmoid", [parts[1]], v.dtype, dims), parts[0]], v.dtype, dims)

    def concat(self):
        v = self.some(lambda o: self.fixed_axis(o, 1) is not None)
        if not v:
            return
        axis = self.fixed_axis(v, 1)
        parts = [v]
        for _ in range(self.rng.choice([1, 1, 2])):
            o = self.some(lambda o: o.dtype == v.dtype and o.dims == v.dims) if self.chance(0.7) else v
            parts.append(o or v)
        self.node("Concat", parts, v.dtype, v.dims[:axis] + (v.dims[axis] * len(parts),) + v.dims[axis + 1:],
                  axis=axis if self.chance(0.6) else axis - v.rank)

    def gather(self):
        v = self.some(lambda o: self.fixed_axis(o, 1) is not None)
        if not v:
            return
        axis = self.fixed_axis(v, 1)
        at = [self.rng.randrange(-v.dims[axis], v.dims[axis]) for _ in range(self.rng.choice([1, 2, 3]))]
        if self.chance(0.3):
            self.node("Gather", [v, self.const(np.array(at[0]), I64)], v.dtype, v.dims[:axis] + v.dims[axis + 1:], axis=axis)
        else:
            self.node("Gather", [v, self.const(np.array(at), self.rng.choice([I64, I32]))], v.dtype,
                      v.dims[:axis] + (len(at),) + v.dims[axis + 1:], axis=axis)

    def pad(self):
        v = self.float_value(1, 4)
        axis = self.fixed_axis(v)
        if axis is None:
            return
        pads = [0] * (2 * v.rank)
        pads[axis], pads[v.rank + axis] = self.rng.choice([(1, 1), (0, 1), (1, 0)])
        mode = self.rng.choice(["constant", "constant", "edge", "reflect"])
        dims = list(v.dims)
        dims[axis] += sum(pads)
        self.node("Pad", [v, self.ints(*pads), self.scalar(0.25, v, False) if mode == "constant" and self.chance(0.5) else None],
                  v.dtype, dims, mode=mode)

    def expand(self):
        v = self.some(lambda o: 1 <= o.rank <= 4)
        if not v:
            return
        if self.chance(0.5):
            self.node("Expand", [v, self.ints(2, *[1] * v.rank)], v.dtype, (2,) + v.dims)
        else:
            axis = self.fixed_axis(v, 1)
            if axis is not None and v.dims[axis] < 20:
                reps = [1] * v.rank
                reps[axis] = 2
                self.node("Tile", [v, self.ints(*reps)], v.dtype, v.dims[:axis] + (v.dims[axis] * 2,) + v.dims[axis + 1:])

    # ---- over axes

    def reduced(self, op, v, axes, keep):
        dims = [1 if i in axes else d for i, d in enumerate(v.dims) if keep or i not in axes]
        named = [a if self.chance(0.6) else a - v.rank for a in axes]
        if op == "ReduceSum" or self.opset >= 18:
            return self.node(op, [v, self.ints(*named)], v.dtype, dims, keepdims=keep)
        return self.node(op, [v], v.dtype, dims, keepdims=keep, axes=named)

    def reduce(self):
        v = self.float_value(1, 5)
        axes = [i for i in range(v.rank) if self.chance(0.5)] or [v.rank - 1]
        self.reduced(self.rng.choice(["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceL1", "ReduceSumSquare",
                                      "ReduceMean"]), v, axes, self.rng.randrange(2))

    def softmax(self):
        v = self.float_value(1, 4)
        self.node(self.rng.choice(["Softmax", "Softmax", "LogSoftmax"]), [v], v.dtype, v.dims, axis=self.rng.randrange(-v.rank, v.rank))

    def cumsum(self):
        v = self.float_value(1, 4)
        if v.dtype == H:
            return
        self.node("CumSum", [v, self.const(np.array(self.rng.randrange(v.rank)), I64)], v.dtype, v.dims, reverse=self.rng.randrange(2),
                  exclusive=self.rng.randrange(2))

    def arg(self):
        v = self.float_value(1, 4)
        if v.dtype != F:
            return
        axis = self.rng.randrange(v.rank)
        if self.chance(0.5) or self.fixed_axis(v) is None:
            dims = [1 if i == axis else d for i, d in enumerate(v.dims)]
            self.node(self.rng.choice(["ArgMax", "ArgMin"]), [v], I64, dims, axis=axis, keepdims=1)
        else:
            axis = self.fixed_axis(v)
            dims = v.dims[:axis] + (2,) + v.dims[axis + 1:]
            self.node("TopK", [v, self.ints(2)], [v.dtype, I64], [dims, dims], n_out=2, axis=axis)

    def shape_of(self):
        v = self.some()
        s = self.node("Shape", [v], I64, [v.rank])
        if v.rank and self.chance(0.5):
            self.node("Gather", [s, self.const(np.array(0), I64)], I64, [], axis=0)

    # ---- sums of products

    def matmul(self):
        v = self.some(lambda o: o.dtype in (F, D, H) and o.rank >= 2 and not isinstance(o.dims[-1], str))
        if not v:
            return
        k, n = v.dims[-1], self.rng.choice([1, 3, 4, 8, 16])
        if self.chance(0.25) and v.rank == 3:  # scores of an attention
            t = self.node("Transpose", [v], v.dtype, (v.dims[0], v.dims[2], v.dims[1]), perm=[0, 2, 1])
            s = self.node("MatMul", [v, t], v.dtype, (v.dims[0], v.dims[1], v.dims[1]))
            s = self.node(self.rng.choice(["Mul", "Div"]), [s, self.scalar(2.5, v)], v.dtype, s.dims)
            s = self.node("Softmax", [s], v.dtype, s.dims, axis=-1)
            self.node("MatMul", [s, v], v.dtype, v.dims)
            return
        w = self.weight((k, n), v.dtype)
        if self.chance(0.2):
            w = self.node("Transpose", [self.weight((n, k), v.dtype)], v.dtype, (k, n), perm=[1, 0])
        y = self.node("MatMul", [v, w], v.dtype, v.dims[:-1] + (n,))
        self.tail(y, (n,))

    def gemm(self):
        v = self.some(lambda o: o.dtype in (F, D, H) and o.rank == 2 and not isinstance(o.dims[1], str))
        if not v:
            return
        k, n = v.dims[1], self.rng.choice([1, 3, 8, 17])
        turned = self.rng.randrange(2)
        bias = self.rng.choice([None, (n,), (1,), (1, n), ()])
        attrs = {"alpha": 0.5} if self.chance(0.3) else {}
        if self.chance(0.3):
            attrs["beta"] = self.rng.choice([0.0, 2.0])
        y = self.node("Gemm", [v, self.weight((n, k) if turned else (k, n), v.dtype), None if bias is None else self.weight(bias, v.dtype)],
                      v.dtype, (v.dims[0], n), transB=turned, **attrs)
        self.tail(y, (n,))

    def tail(self, y, bias):
        """What often follows a product: bias, residual, activation; the value in the middle may have other readers."""
        if self.chance(0.4):
            b = self.weight(bias, y.dtype, 0.5)
            y = self.node("Add", [y, b] if self.chance(0.5) else [b, y], y.dtype, y.dims)
        if self.chance(0.4):
            other = self.some(lambda o: o.dtype == y.dtype and o.dims == y.dims and o is not y)
            if other:
                y = self.node("Add", [y, other] if self.chance(0.5) else [other, y], y.dtype, y.dims)
        if self.chance(0.5):
            self.node(self.rng.choice(["Relu", "Relu", "Sigmoid", "Tanh"]), [y], y.dtype, y.dims)
        elif self.chance(0.3):
            self.node("Clip", [y, self.scalar(0, y, False), self.scalar(6, y, False)], y.dtype, y.dims)
        elif self.chance(0.3):
            self.node("Mul", [self.node("Sigmoid", [y], y.dtype, y.dims), y], y.dtype, y.dims)

    def image(self):
        return self.some(lambda o: o.dtype in (F, H) and o.rank in (3, 4) and not isinstance(o.dims[1], str) and
                         all(isinstance(d, int) and d >= 3 for d in o.dims[2:]))

    def conv(self):
        v = self.image()
        if not v:
            return
        c, axes = v.dims[1], v.rank - 2
        group = c if self.chance(0.3) else 2 if c % 2 == 0 and self.chance(0.2) else 1
        out = group * self.rng.choice([1, 2]) if group > 1 else self.rng.choice([1, 4, 8, c, c])
        k, stride, pad = self.rng.choice([1, 3]), self.rng.choice([1, 1, 2]), self.rng.choice([0, 1, 1])
        size = [(d + 2 * pad - k) // stride + 1 for d in v.dims[2:]]
        y = self.node("Conv", [v, self.weight((out, c // group) + (k,) * axes, v.dtype), self.weight((out,), v.dtype) if self.chance(0.5) else None],
                      v.dtype, v.dims[:1] + (out, *size), kernel_shape=[k] * axes, strides=[stride] * axes, pads=[pad] * (2 * axes),
                      group=group)
        if self.chance(0.4):
            y = self.batchnorm_of(y)
        self.tail(y, (out,) + (1,) * axes)

    def batchnorm_of(self, v):
        c = v.dims[1]
        return self.node("BatchNormalization", [v, self.weight((c,), v.dtype), self.weight((c,), v.dtype), self.weight((c,), v.dtype, 0.3),
                                                self.const(self.np.uniform(0.5, 2, c), v.dtype)], v.dtype, v.dims)

    def norm(self):
        v = self.some(lambda o: o.dtype in (F, H) and o.rank >= 2 and not isinstance(o.dims[1], str))
        if not v:
            return
        c = v.dims[1]
        if self.chance(0.4):
            self.batchnorm_of(v)
        elif v.rank >= 3 and v.dtype == F and np.prod([d if isinstance(d, int) else 9 for d in v.dims[2:]]) > 2:
            if all(isinstance(d, int) for d in v.dims[2:]):
                self.node("InstanceNormalization", [v, self.weight((c,), F), self.weight((c,), F)], F, v.dims, epsilon=1e-2)
        elif self.opset >= 17 and not isinstance(v.dims[-1], str) and v.dims[-1] > 1:
            n = v.dims[-1]
            self.node("LayerNormalization", [v, self.weight((n,), v.dtype), self.weight((n,), v.dtype) if self.chance(0.7) else None],
                      v.dtype, v.dims, axis=-1, epsilon=1e-2)

    def pool(self):
        v = self.image()
        if not v:
            return
        axes = v.rank - 2
        if self.chance(0.25):
            self.node(self.rng.choice(["GlobalAveragePool", "GlobalMaxPool"]), [v], v.dtype, v.dims[:2] + (1,) * axes)
            return
        k, stride, pad = self.rng.choice([(2, 2, 0), (3, 1, 1), (3, 2, 1), (2, 1, 0)])
        dims = v.dims[:2] + tuple((d + 2 * pad - k) // stride + 1 for d in v.dims[2:])
        attrs = {"kernel_shape": [k] * axes, "strides": [stride] * axes, "pads": [pad] * (2 * axes)}
        if self.chance(0.5):
            self.node("MaxPool", [v], v.dtype, dims, **attrs)
        else:
            self.node("AveragePool", [v], v.dtype, dims, count_include_pad=self.rng.randrange(2), **attrs)

    def resize(self):
        v = self.image()
        if not v or v.rank != 4 or v.dims[2] > 12 or v.dtype != F:
            return
        mode = self.rng.choice(["nearest", "linear"])
        attrs = {"nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"} if mode == "nearest" else {}
        self.node("Resize", [v, None, self.const(np.array([1, 1, 2, 2], np.float32))], v.dtype,
                  v.dims[:2] + tuple(2 * d for d in v.dims[2:]), mode=mode, **attrs)

    def inception(self):
        """Branches of one image side by side: what makes the parts may write them in place."""
        v = self.image()
        if not v:
            return
        parts, axes = [], v.rank - 2
        for _ in range(self.rng.choice([2, 3])):
            out, k = self.rng.choice([8, 16, 16, 3]), self.rng.choice([1, 3])
            y = self.node("Conv", [v, self.weight((out, v.dims[1]) + (k,) * axes, v.dtype), self.weight((out,), v.dtype)], v.dtype,
                          (v.dims[0], out) + v.dims[2:], kernel_shape=[k] * axes, pads=[k // 2] * (2 * axes))
            parts.append(self.node("Relu", [y], y.dtype, y.dims) if self.chance(0.6) else y)
        if self.chance(0.3):
            parts.append(self.rng.choice(parts + [v]))
        self.node("Concat", parts, v.dtype, (v.dims[0], sum(p.dims[1] for p in parts)) + v.dims[2:], axis=1)

    def conv_transpose(self):
        v = self.image()
        if not v or v.dtype != F or max(v.dims[2:]) > 12:
            return
        axes, out = v.rank - 2, self.rng.choice([1, 4, 8])
        y = self.node("ConvTranspose", [v, self.weight((v.dims[1], out) + (2,) * axes, F), self.weight((out,), F) if self.chance(0.5) else None],
                      F, (v.dims[0], out) + tuple(2 * d for d in v.dims[2:]), kernel_shape=[2] * axes, strides=[2] * axes)
        self.tail(y, (out,) + (1,) * axes)

    def recurrent(self):
        v = self.some(lambda o: o.dtype == F and o.rank == 3 and isinstance(o.dims[2], int))
        if not v:
            return
        kind, hidden, both = self.rng.choice(["LSTM", "GRU", "RNN"]), self.rng.choice([3, 8]), self.rng.randrange(2)
        gates, ways = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind] * hidden, 1 + both
        n_out = 3 if kind == "LSTM" else 2
        states = (ways, v.dims[1], hidden)
        attrs = {"linear_before_reset": 1} if kind == "GRU" and self.chance(0.5) else {}
        y = self.node(kind, [v, self.weight((ways, gates, v.dims[2]), F, 0.3), self.weight((ways, gates, hidden), F, 0.3),
                             self.weight((ways, 2 * gates), F, 0.3) if self.chance(0.7) else None], F,
                      [(v.dims[0],) + states[:1] + (v.dims[1], hidden)] + [states] * (n_out - 1), n_out=n_out, hidden_size=hidden,
                      direction="bidirectional" if both else self.rng.choice(["forward", "reverse"]), **attrs)
        if not both:
            self.node("Squeeze", [y[0], self.ints(1)], F, (v.dims[0], v.dims[1], hidden))
