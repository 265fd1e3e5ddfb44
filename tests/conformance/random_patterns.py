# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""The larger pieces of random models: patterns that get fused (and some that must not be), quantized ones, graphs in graphs,
functions, sequences; and the model itself."""
import numpy as np
from onnx import AttributeProto, TensorProto, helper
from random_graphs import B, D, F, FLOATS, H, I32, I64, Maker, NP, Scope, Unfit, Value

U8, S8 = TensorProto.UINT8, TensorProto.INT8
SIZES = [{"N": 1, "S": 4}, {"N": 3, "S": 7}, {"N": 2, "S": 1}]


class Patterns(Maker):
    # ---- nearly fused

    def gelu(self):
        v = self.float_value(1)
        half, root, one = 0.5, 1.4142135, 1.0
        if self.chance(0.3):  # not quite
            half, root, one = self.rng.choice([(0.25, root, one), (half, 1.5, one), (half, root, 2.0)])
        if self.chance(0.3) and v.dtype != D:
            return self.tanh_gelu(v)
        if v.dtype == D:
            return None
        x = self.node("Div", [v, self.scalar(root, v)], v.dtype, v.dims)
        x = self.node("Erf", [x], v.dtype, v.dims)
        x = self.node("Add", [x, self.scalar(one, v)], v.dtype, v.dims)
        if self.chance(0.5):
            x = self.node("Mul", [x, v], v.dtype, v.dims)
            self.node("Mul", [x, self.scalar(half, v)], v.dtype, v.dims)
        else:
            x = self.node("Mul", [self.node("Mul", [v, self.scalar(half, v)], v.dtype, v.dims), x], v.dtype, v.dims)
        return None

    def tanh_gelu(self, v):
        v = self.tame(v)
        cube = self.node("Pow", [v, self.scalar(3.0, v)], v.dtype, v.dims)
        x = self.node("Mul", [cube, self.scalar(self.rng.choice([0.044715, 0.044715, 0.05]), v)], v.dtype, v.dims)
        x = self.node("Add", [v, x], v.dtype, v.dims)
        x = self.node("Tanh", [self.node("Mul", [x, self.scalar(0.7978846, v)], v.dtype, v.dims)], v.dtype, v.dims)
        x = self.node("Add", [x, self.scalar(1.0, v)], v.dtype, v.dims)
        x = self.node("Mul", [v, x], v.dtype, v.dims)
        self.node("Mul", [x, self.scalar(0.5, v)], v.dtype, v.dims)

    def layer_norm(self):
        v = self.some(lambda o: o.dtype in FLOATS and o.rank >= 2 and not isinstance(o.dims[-1], str) and o.dims[-1] > 1)
        if not v:
            return
        axes = [v.rank - 1] if self.chance(0.8) else [v.rank - 2]
        mean = self.reduced("ReduceMean", v, axes, 1)
        d = self.node("Sub", [v, mean], v.dtype, v.dims) if self.chance(0.9) else self.node("Sub", [mean, v], v.dtype, v.dims)
        sq = self.node("Pow", [d, self.scalar(2.0, v)], v.dtype, v.dims) if self.chance(0.6) else self.node("Mul", [d, d], v.dtype, v.dims)
        var = self.reduced("ReduceMean" if self.chance(0.9) else "ReduceSum", sq, [v.rank - 1] if self.chance(0.9) else axes, 1)
        s = self.node("Sqrt", [self.node("Add", [var, self.scalar(0.01, v)], v.dtype, var.dims)], v.dtype, var.dims)
        y = self.node("Div", [d, s], v.dtype, v.dims)
        n = v.dims[-1]
        y = self.node("Mul", [y, self.weight((n,) if self.chance(0.8) else (1,), v.dtype)], v.dtype, v.dims)
        if self.chance(0.8):
            self.node("Add", [y, self.weight((n,) if self.chance(0.8) else (), v.dtype)], v.dtype, v.dims)

    def hard_swish(self):
        v = self.float_value()
        x = self.node("Add", [v, self.scalar(3.0, v)], v.dtype, v.dims)
        x = self.node("Clip", [x, self.scalar(0.0, v, False), self.scalar(6.0 if self.chance(0.8) else 5.0, v, False)], v.dtype, v.dims)
        x = self.node("Mul", [x, v], v.dtype, v.dims)
        self.node("Div", [x, self.scalar(6.0, v)], v.dtype, v.dims)

    def dropout(self):
        v = self.float_value()
        if self.chance(0.5):
            self.node("Dropout", [v], v.dtype, v.dims)
        else:
            self.node("Dropout", [v, self.const(np.float32(0.3))], [v.dtype, B], [v.dims, v.dims], n_out=2)

    # ---- quantized

    def scale(self, low=0.02, high=0.1):
        return self.const(np.float32(self.rng.uniform(low, high)))

    def qdq(self, v):
        """v through integers; several readers of either half."""
        zero = self.rng.choice([U8, S8])
        s, z = self.scale(), self.const(np.array(self.rng.choice([0, 3, 100] if zero == U8 else [0, -5, 12])), zero)
        q = self.node("QuantizeLinear", [v, s, z], zero, v.dims)
        d = self.node("DequantizeLinear", [q, s, z], F, v.dims)
        if self.chance(0.15):
            self.node("DequantizeLinear", [q, s, z], F, v.dims)
        return d

    def qweight(self, dims, axis):
        w = self.np.integers(-100, 100, dims).astype(np.int8)
        if self.chance(0.5):
            shape = dims[axis]
            s = self.const(self.np.uniform(0.002, 0.02, shape).astype(np.float32))
            return self.node("DequantizeLinear", [self.const(w), s, self.const(np.zeros(shape, np.int8))], F, dims, axis=axis)
        return self.node("DequantizeLinear", [self.const(w), self.scale(0.002, 0.02), self.const(np.int8(0)) if self.chance(0.7) else None],
                         F, dims)

    def q_conv(self):
        v = self.image()
        if not v or v.dtype != F:
            return
        c, axes = v.dims[1], v.rank - 2
        group, out = (c, c) if self.chance(0.3) else (1, self.rng.choice([1, 4, 8]))
        x, w = self.qdq(v), self.qweight((out, c // group) + (3,) * axes, 0)
        y = self.node("Conv", [x, w, self.const(self.np.standard_normal(out).astype(np.float32)) if self.chance(0.5) else None], F,
                      v.dims[:2][:1] + (out,) + v.dims[2:], kernel_shape=[3] * axes, pads=[1] * (2 * axes), group=group)
        self.q_tail(y)

    def q_tail(self, y):
        if self.chance(0.4):
            y = self.node("Relu", [y], F, y.dims)
        if self.chance(0.3):
            other = self.some(lambda o: o.dtype == F and o.dims == y.dims and o is not y)
            if other:
                y = self.node("Add", [self.qdq(y), self.qdq(other)], F, y.dims)
        if self.chance(0.7):
            y = self.qdq(y)
        if self.chance(0.2):
            self.node("Relu", [y], F, y.dims)

    def q_matmul(self):
        v = self.some(lambda o: o.dtype == F and o.rank >= 2 and not isinstance(o.dims[-1], str))
        if not v:
            return
        k, n = v.dims[-1], self.rng.choice([3, 8, 16])
        which = self.rng.randrange(4)
        if which == 0 and v.rank == 2:
            y = self.node("Gemm", [self.qdq(v), self.qweight((n, k), 0), self.const(self.np.standard_normal(n).astype(np.float32))], F,
                          (v.dims[0], n), transB=1)
            self.q_tail(y)
        elif which == 1:
            self.dynamic(v, k, n)
        else:
            y = self.node("MatMul", [self.qdq(v), self.qweight((k, n), 1)], F, v.dims[:-1] + (n,))
            if self.chance(0.4):
                y = self.node("Add", [y, self.const(self.np.standard_normal(n).astype(np.float32))], F, y.dims)
            self.q_tail(y)

    def dynamic(self, v, k, n):
        """DynamicQuantizeLinear, MatMulInteger, scales: as dynamic quantization writes it, now and then with another reader."""
        q, s, z = self.node("DynamicQuantizeLinear", [v], [U8, F, U8], [v.dims, (), ()], n_out=3)
        w = self.const(self.np.integers(-100, 100, (k, n)).astype(np.int8))
        wz = self.const(np.int8(0)) if self.chance(0.6) else None
        y = self.node("MatMulInteger", [q, w, z, wz], I32, v.dims[:-1] + (n,))
        y = self.node("Cast", [y], F, y.dims, to=F)
        ws = self.scale(0.002, 0.02) if self.chance(0.6) else self.const(self.np.uniform(0.002, 0.02, n).astype(np.float32))
        both = self.node("Mul", [s, ws], F, ws.dims)
        y = self.node("Mul", [y, both], F, y.dims)
        if self.chance(0.5):
            self.node("Add", [y, self.const(self.np.standard_normal(n).astype(np.float32))], F, y.dims)
        if self.chance(0.2):
            self.node("DequantizeLinear", [q, s, z], F, v.dims)

    # ---- graphs in graphs

    def inner(self, inputs, build):
        """A graph with these inputs; build() makes the outputs inside."""
        outer, self.scope = self.scope, Scope(self, self.scope)
        self.depth += 1
        self.scope.values += inputs
        outputs = build()
        outputs = [self.node("Identity", [v], v.dtype, v.dims) if v in inputs or v not in self.scope.values or
                   [o.name for o in outputs].count(v.name) > 1 else v for v in outputs]
        scope, self.scope = self.scope, outer
        self.depth -= 1
        return helper.make_graph(scope.nodes, self.name("graph"), [info(v) for v in inputs], [info(v) for v in outputs], scope.inits)

    def wander(self, like, most=3):
        """A few random nodes, then something like `like` of what is there."""
        for _ in range(self.rng.randrange(most + 1)):
            self.any(inside=True)
        v = self.some(lambda o: o.dtype == like.dtype and o.dims == like.dims) or like
        if self.chance(0.7) and v.dtype in FLOATS:
            v = self.node(self.rng.choice(["Tanh", "Relu", "Neg"]), [v], v.dtype, v.dims)
        return v

    def a_condition(self):
        found = self.some(lambda o: o.dtype == B and o.rank == 0)
        if found and self.chance(0.6):
            return found
        v = self.float_value()
        total = self.node("ReduceSum", [v], v.dtype, (), keepdims=0)
        return self.node("Greater", [total, self.const(np.array(0.1), v.dtype)], B, ())

    def branch(self):
        if self.depth > 2:
            return
        c, v = self.a_condition(), self.float_value()
        graphs = [self.inner([], lambda: [self.wander(v), self.wander(v, 1)]) for _ in range(2)]
        self.node("If", [c], v.dtype, [v.dims, v.dims], n_out=2, then_branch=graphs[0], else_branch=graphs[1])

    def constant_branch(self):
        """One constant or another, which a product takes for its weight."""
        v = self.some(lambda o: o.dtype == F and o.rank >= 2 and not isinstance(o.dims[-1], str))
        if not v:
            return
        dims = (v.dims[-1], 4)
        graphs = [self.inner([], lambda: [self.node("Identity", [self.weight(dims, F)], F, dims)]) for _ in range(2)]
        w = self.node("If", [self.a_condition()], F, dims, then_branch=graphs[0], else_branch=graphs[1])
        self.node("MatMul", [v, w], F, v.dims[:-1] + (4,))

    def loop(self):
        v = self.float_value(0, 4)
        if self.depth > 1:
            return
        turns = self.rng.choice([0, 1, 2, 3])
        has_condition = self.chance(0.6)  # without one the body's is ignored, as ONNX says; ONNX Runtime heeds it
        i, c, x = Value(self.name("i"), I64, ()), Value(self.name("b"), B, ()), Value(self.name("x"), v.dtype, v.dims)

        def build():
            y = self.tame(self.wander(x))
            go = self.node("Identity", [c], B, ()) if self.chance(0.6) or not has_condition else self.node("Less", [i, self.const(np.array(1), I64)], B, ())
            return [go, y, self.wander(y, 1)]

        trips = self.const(np.array(turns), I64)
        y, stack = self.node("Loop", [trips, self.const(np.array(True)) if has_condition else None, v], v.dtype,
                             [v.dims, ("?",) + v.dims], n_out=2, body=self.inner([i, c, x], build))
        self.scope.values.remove(stack)
        if turns:
            self.reduced("ReduceSum" if self.opset >= 13 else "ReduceMean", Value(stack.name, v.dtype, stack.dims), [0], 0)

    def scan(self):
        v = self.float_value(2, 4)
        if self.depth > 1 or v.dtype == H:
            return
        state, item = Value(self.name("s"), v.dtype, v.dims[1:]), Value(self.name("x"), v.dtype, v.dims[1:])
        start = self.reduced("ReduceMean", v, [0], 0)

        def build():
            y = self.tame(self.node("Add", [state, item], v.dtype, v.dims[1:]))
            return [y, self.wander(y, 2)]

        self.node("Scan", [start, v], v.dtype, [v.dims[1:], v.dims], n_out=2, num_scan_inputs=1, body=self.inner([state, item], build),
                  scan_input_directions=[self.rng.randrange(2)])

    def function(self):
        """A function of the model, called once or twice; with an attribute now and then."""
        v = self.float_value()
        if v.dtype != F:
            return
        name = self.name("Fn")
        nodes = [helper.make_node("Mul", ["a", "b"], ["t"]), helper.make_node("Tanh", ["t"], ["u"]),
                 helper.make_node("Elu", ["u"], ["w"]), helper.make_node("Add", ["w", "a"], ["y"])]
        nodes[2].attribute.add(name="alpha", ref_attr_name="slope", type=AttributeProto.FLOAT)
        self.functions.append(helper.make_function("local", name, ["a", "b"], ["y", "t"], nodes, [helper.make_opsetid("", self.opset)],
                                                   attributes=["slope"]))
        for _ in range(self.rng.choice([1, 2])):
            other = self.some(lambda o: o.dtype == F and o.dims == v.dims)
            self.node(name, [v, other], F, [v.dims, v.dims], n_out=2, domain="local", slope=self.rng.choice([0.5, 1.5]))

    def sequence(self):
        v = self.float_value(1, 4)
        other = self.some(lambda o: o.dtype == v.dtype and o.dims == v.dims)
        third = self.weight(v.dims, v.dtype) if all(isinstance(d, int) for d in v.dims) else v
        s = self.node("SequenceConstruct", [v, other, third], v.dtype, v.dims)
        self.scope.values.remove(s)
        if self.chance(0.3):
            s = self.node("SequenceInsert", [s, other, self.const(np.array(self.rng.choice([0, -1, 2])), I64)], v.dtype, v.dims)
            self.scope.values.remove(s)
        if self.chance(0.3):
            s = self.node("SequenceErase", [s, self.const(np.array(1), I64)], v.dtype, v.dims)
            self.scope.values.remove(s)
        self.node("SequenceAt", [s, self.const(np.array(self.rng.choice([0, 1, -1])), I64)], v.dtype, v.dims)
        if self.chance(0.5):
            c = self.node("ConcatFromSequence", [s], v.dtype, ("?",) + v.dims, axis=0, new_axis=1)
            self.scope.values.remove(c)
            self.reduced("ReduceSum", c, [0], 0)

    # ---- the model

    COMMON = ["unary", "unary", "clip", "safe", "binary", "binary", "binary", "broadcast", "integer", "logic", "cast", "transpose",
              "reshape", "slice", "split", "concat", "gather", "pad", "expand", "reduce", "softmax", "cumsum", "arg", "shape_of",
              "matmul", "matmul", "gemm", "conv", "conv", "conv", "norm", "pool", "resize", "inception",
              "inception", "conv_transpose", "recurrent", "gelu", "layer_norm", "hard_swish", "dropout"]
    ROUNDED = ["q_conv", "q_conv", "q_matmul", "q_matmul", "q_matmul"]
    RARE = ["branch", "constant_branch", "loop", "scan", "function", "sequence"]

    def all_names(self):
        return self.COMMON + self.RARE + (self.ROUNDED if self.steps else [])

    def any(self, inside=False):
        names = self.favourites if self.chance(0.5) else self.all_names()
        name = self.rng.choice(names)
        if inside and name in ("function", "sequence"):
            name = "unary"
        try:
            getattr(self, name)()
        except Unfit:
            pass

    def add_input(self, dtype, dims):
        v = Value(self.name("in"), dtype, dims)
        self.scope.values.append(v)
        self.scope.inputs.append(v)

    def model(self):
        shapes = [("N", "S", 8), ("N", 4, 9, 9), ("N", 16), ("N", 3, 12, 12), ("S", "N", 4), ("N", 8, 10), (5,), (), ("N", 2, 4, 6)]
        for dims in self.rng.sample(shapes, self.rng.choice([1, 1, 2, 3])):
            self.add_input(self.kind, dims)
        if self.chance(0.2):
            self.add_input(I64, ("N", 3))
        if self.chance(0.2):
            self.add_input(B, ())
        self.favourites = self.rng.choices(self.all_names(), k=5)
        for _ in range(self.rng.choice([3, 6, 10, 16, 25, 40])):
            self.any()
        made = [v for v in self.scope.values if v not in self.scope.inputs]
        used = {i for n in self.scope.nodes for i in n.input}
        ends = [v for v in made if v.name not in used]
        more = self.rng.sample(made, min(len(made), self.rng.choice([0, 1, 3])))
        outputs = list({v.name: v for v in ends[-6:] + more}.values())
        if self.chance(0.1):
            outputs.append(self.node("Identity", [self.scope.inputs[0]], self.scope.inputs[0].dtype, self.scope.inputs[0].dims))
        graph = helper.make_graph(self.scope.nodes, "random", [info(v) for v in self.scope.inputs], [info(v, False) for v in outputs],
                                  self.scope.inits)
        opsets = [helper.make_opsetid("", self.opset)] + ([helper.make_opsetid("local", 1)] if self.functions else [])
        return helper.make_model(graph, opset_imports=opsets, functions=self.functions, ir_version=8)

    def feeds(self, sizes):
        """A set of inputs for these sizes."""
        made = {}
        for v in self.scope.inputs:
            dims = [sizes.get(d, d) for d in v.dims]
            if v.dtype == B:
                made[v.name] = np.array(self.np.integers(0, 2, dims)).astype(np.bool_)
            elif v.dtype == I64:
                made[v.name] = np.array(self.np.integers(-20, 20, dims))
            else:
                made[v.name] = np.array(self.np.standard_normal(dims)).astype(NP[v.dtype])
        return made


def info(v, dims=True):
    return helper.make_tensor_value_info(v.name, v.dtype, [None if d == "?" else d for d in v.dims] if dims else None)
