# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Random models with what exporters write and rewrites take apart: attention with heads and computed shapes, flattened products,
channel shuffles, parts of a tensor, rows of views, numbers in a row, Softmax, normalizations and activations in elementary
operators; and the same with one thing else."""
import numpy as np
from random_graphs import F, I64, Unfit
from random_patterns import Patterns


class Exports(Patterns):
    COMMON = Patterns.COMMON + ["attention", "attention", "flat_product", "shuffle", "parts", "views", "views", "numbers", "numbers",
                                "softmax", "softmax", "length", "length", "root_mean", "root_mean", "group_norm", "gate", "gate"]

    def __init__(self, seed):
        super().__init__(seed)
        self.opset = self.rng.choice([self.opset, 21, 23, 24])  # ONNX Runtime 1.31 lacks operators of 25

    def matrix(self):
        return self.some(lambda o: o.dtype == F and o.rank == 3 and not isinstance(o.dims[-1], str))

    def size(self, v, axis):
        """The size of an axis as a vector of one, computed as exporters do."""
        s = self.node("Shape", [v], I64, (v.rank,))
        d = self.node("Gather", [s, self.const(np.array(axis), I64)], I64, (), axis=0)
        return self.node("Unsqueeze", [d, self.ints(0)], I64, (1,))

    def shape(self, v, tail):
        """Both leading sizes of v, then `tail`: a constant, or computed."""
        if self.chance(0.3):
            return self.ints(0, 0, *tail)
        sizes = [self.size(v, 0), self.size(v, 1)]
        if self.chance(0.1):
            sizes[1] = self.ints(-1)
        return self.node("Concat", sizes + [self.ints(*tail)], I64, (2 + len(tail),), axis=0)

    def projection(self, x, n, sum_chance=0.8):
        y = self.node("MatMul", [x, self.weight((x.dims[-1], n), F)], F, x.dims[:-1] + (n,))
        if self.chance(sum_chance):
            pair = [y, self.weight((n,), F)]
            self.rng.shuffle(pair)
            y = self.node("Add", pair, F, y.dims)
        return y

    def attention(self):
        x = self.matrix()
        if not x:
            return
        heads, size = self.rng.choice([1, 2, 3]), self.rng.choice([2, 4])
        n, sums, made = heads * size, self.rng.choice([0, 1, 1, 1]), []
        perms = [(0, 2, 1, 3), (0, 2, 3, 1) if self.chance(0.7) else (0, 2, 1, 3), (0, 2, 1, 3)]
        for perm in perms:
            y = self.projection(x, n, sums if self.chance(0.95) else 1 - sums)
            y = self.node("Reshape", [y, self.shape(x, (heads, size))], F, x.dims[:2] + (heads, size))
            y = self.node("Transpose", [y], F, tuple(y.dims[p] for p in perm), perm=list(perm))
            if self.chance(0.2):
                y = self.node("Mul", [y, self.scalar(0.7, y)], F, y.dims)
            made.append(y)
        q, k, v = made
        if perms[1] == (0, 2, 1, 3):
            k = self.node("Transpose", [k], F, k.dims[:2] + (k.dims[3], k.dims[2]), perm=[0, 1, 3, 2])
        s = self.node("MatMul", [q, k], F, q.dims[:3] + (k.dims[3],))
        if self.chance(0.8):
            s = self.node("Div", [s, self.scalar(size ** 0.5, s)], F, s.dims)
        if self.chance(0.2) and all(isinstance(d, int) for d in s.dims[-2:]):
            s = self.node("Add", [s, self.weight(s.dims[-2:], F)], F, s.dims)
        p = self.node("Softmax", [s], F, s.dims, axis=-1) if self.chance(0.8) else self.softmax_of(s, 3)
        y = self.node("MatMul", [p, v], F, v.dims)
        y = self.node("Transpose", [y], F, tuple(y.dims[i] for i in (0, 2, 1, 3)), perm=[0, 2, 1, 3])
        y = self.node("Reshape", [y, self.shape(x, (n,))], F, x.dims[:2] + (n,))
        self.projection(y, self.rng.choice([n, 8]))

    def flat_product(self):
        x = self.matrix()
        if not x:
            return
        k, n = x.dims[-1], self.rng.choice([4, 6, 8])
        y = self.node("Reshape", [x, self.ints(-1, k)], F, ("?", k))
        y = self.node("MatMul", [y, self.weight((k, n), F)], F, ("?", n))
        if self.chance(0.6):
            y = self.node("Add", [y, self.weight((n,), F)], F, ("?", n))
        if self.chance(0.3):
            y = self.node(self.rng.choice(["Relu", "Tanh", "Sigmoid"]), [y], F, ("?", n))
        self.node("Reshape", [y, self.shape(x, (n,))], F, x.dims[:2] + (n,))

    def shuffle(self):
        v = self.some(lambda o: o.rank == 4 and isinstance(o.dims[1], int) and o.dims[1] % 2 == 0 and
                      all(isinstance(d, int) for d in o.dims[1:]))
        if not v:
            return
        c, h, w = v.dims[1:]
        a, b = (c // 2, 2) if self.chance(0.7) else (2, c // 2)
        y = self.node("Reshape", [v, self.ints(-1, a, b, h * w)], v.dtype, (v.dims[0], a, b, h * w))
        y = self.node("Transpose", [y], v.dtype, (b, v.dims[0], a, h * w), perm=[2, 0, 1, 3])
        y = self.node("Reshape", [y, self.ints(b, -1, a, h, w)], v.dtype, (b, v.dims[0], a, h, w))
        for i in range(self.rng.choice([1, 2, 2])):
            self.node("Gather", [y, self.const(np.array(i - (i and b)), I64)], v.dtype, y.dims[1:], axis=0)

    def parts(self):
        """Slices of an axis, of a Concat now and then; mostly the whole of it."""
        v = self.some(lambda o: o.rank >= 1 and isinstance(o.dims[-1], int) and o.dims[-1] >= 4)
        if not v:
            return
        size, made = v.dims[-1], []
        if self.chance(0.4):
            other = self.node("Neg", [v], v.dtype, v.dims) if v.dtype == F else v
            v, size = self.node("Concat", [v, other], v.dtype, v.dims[:-1] + (2 * size,), axis=-1), 2 * size
        at = size // 2 if self.chance(0.7) else 1
        for start, end in ((0, at), (at if self.chance(0.8) else at - 1, size)):
            made.append(self.node("Slice", [v, self.ints(start), self.ints(end), self.ints(v.rank - 1)], v.dtype,
                                  v.dims[:-1] + (end - start,)))
        if self.chance(0.3):
            self.node("Concat", made[::-1], v.dtype, v.dims[:-1] + (sum(m.dims[-1] for m in made),), axis=-1)

    def views(self):
        """A row of Reshape, Transpose, Squeeze and Unsqueeze."""
        v = self.some(lambda o: 2 <= o.rank <= 4)
        for _ in range(self.rng.choice([2, 3, 4, 5]) if v else 0):
            which, symbols = self.rng.randrange(4), sum(isinstance(d, str) for d in v.dims)
            if which == 0:
                perm = self.rng.sample(range(v.rank), v.rank)
                v = self.node("Transpose", [v], v.dtype, tuple(v.dims[p] for p in perm), perm=perm)
            elif which == 1 and v.rank < 6:
                axis = self.rng.randrange(v.rank + 1)
                v = self.node("Unsqueeze", [v, self.ints(axis)], v.dtype, v.dims[:axis] + (1,) + v.dims[axis:])
            elif which == 2 and 1 in v.dims and v.rank > 2:
                axis = v.dims.index(1)
                v = self.node("Squeeze", [v, self.ints(axis - v.rank)], v.dtype, v.dims[:axis] + v.dims[axis + 1:])
            elif which == 3 and symbols <= 1:
                dims = list(v.dims)
                even = [i for i, d in enumerate(dims) if isinstance(d, int) and d % 2 == 0 and d > 0]
                pairs = [i for i in range(len(dims) - 1) if isinstance(dims[i], int) and isinstance(dims[i + 1], int)]
                if even and self.chance(0.5) and v.rank < 6:
                    i = self.rng.choice(even)
                    dims[i:i + 1] = [2, dims[i] // 2]
                elif pairs and len(dims) > 2:
                    i = self.rng.choice(pairs)
                    dims[i:i + 2] = [dims[i] * dims[i + 1]]
                v = self.node("Reshape", [v, self.ints(*[-1 if isinstance(d, str) else d for d in dims])], v.dtype, tuple(dims))

    def numbers(self):
        v = self.some(lambda o: o.dtype == F and o.rank >= 1)
        for _ in range(self.rng.choice([2, 3]) if v else 0):
            row = self.chance(0.3) and isinstance(v.dims[-1], int)
            c = self.const(self.np.uniform(0.5, 2, (v.dims[-1],) if row else ()), F)
            pair = [v, c] if self.chance(0.8) else [c, v]
            v = self.node(self.rng.choice(["Add", "Sub", "Mul", "Mul", "Mul"] + (["Div"] if pair[0] is v else [])), pair, F, v.dims)

    # ---- one operator, written out

    def along(self, op, v, axis):
        """Over one axis, which stays: an attribute in older opsets."""
        dims = v.dims[:axis] + (1,) + v.dims[axis + 1:]
        axis = axis - v.rank if self.chance(0.5) else axis
        if self.opset >= (13 if op == "ReduceSum" else 18):
            return self.node(op, [v, self.ints(axis)], v.dtype, dims)
        return self.node(op, [v], v.dtype, dims, axes=[axis])

    def row(self):
        """A float value of at least two axes, within what Exp takes, and the axis to work along, mostly the last."""
        v = self.some(lambda o: o.dtype == F and o.rank >= 2)
        if not v:
            raise Unfit
        return self.tame(v), v.rank - 1 if self.chance(0.85) else v.rank - 2

    def softmax_of(self, v, axis, log=False):
        if self.chance(0.6):
            v = self.node("Sub", [v, self.along("ReduceMax", v, axis)], v.dtype, v.dims)
        if log and self.chance(0.3):
            return self.node("Sub", [v, self.along("ReduceLogSumExp", v, axis)], v.dtype, v.dims)
        e = self.node("Exp", [v], v.dtype, v.dims)
        total = self.along("ReduceSum" if self.chance(0.9) else "ReduceMean", e, axis)
        if log:
            return self.node("Sub", [v, self.node("Log", [total], v.dtype, total.dims)], v.dtype, v.dims)
        if self.chance(0.7):
            return self.node("Div", [e, total], v.dtype, v.dims)
        return self.node("Mul", [e, self.node("Reciprocal", [total], v.dtype, total.dims)], v.dtype, v.dims)

    def softmax(self):
        v, axis = self.row()
        which = self.rng.randrange(3)
        if which == 2:
            self.node("Log", [self.node("Softmax", [v], v.dtype, v.dims, axis=axis)], v.dtype, v.dims)
        else:
            self.softmax_of(v, axis, log=which == 1)

    def length(self):
        v, axis = self.row()
        if self.chance(0.6):
            n = self.along("ReduceL2" if self.chance(0.7) else "ReduceL1", v, axis)
        else:
            square = self.node("Mul", [v, v], F, v.dims)
            n = self.along("ReduceSum", square, axis)
            n = self.node("Sqrt", [n], F, n.dims)
        n = self.node("Clip", [n, self.scalar(1e-12 if self.chance(0.8) else 0.5, n, False)], F, n.dims)
        if self.chance(0.4):
            n = self.node("Expand", [n, self.node("Shape", [v], I64, (v.rank,))], F, v.dims)
        self.node("Div", [v, n], F, v.dims)

    def root_mean(self):
        v, axis = self.row()
        mean = self.along("ReduceMean", self.node("Pow", [v, self.scalar(2.0, v)], F, v.dims), axis)
        s = self.node("Add", [mean, self.scalar(0.01, mean)], F, mean.dims)
        if self.chance(0.3):
            s = self.node("Pow", [s, self.scalar(-0.5 if self.chance(0.8) else 0.5, s)], F, s.dims)
        else:
            s = self.node("Sqrt", [s], F, s.dims)
            s = self.node("Div", [self.scalar(1.0, s), s], F, s.dims) if self.chance(0.4) else self.node("Reciprocal", [s], F, s.dims)
        y = self.node("Mul", [v, s], F, v.dims)
        if isinstance(v.dims[-1], int) and self.chance(0.8):
            self.node("Mul", [self.weight((v.dims[-1],), F), y], F, v.dims)

    def group_norm(self):
        v = self.some(lambda o: o.dtype == F and o.rank == 4 and isinstance(o.dims[1], int) and o.dims[1] % 2 == 0)
        if not v:
            return
        c = v.dims[1]
        groups = self.rng.choice([2, c // 2, c])
        x = self.node("Reshape", [v, self.ints(0, groups, -1)], F, (v.dims[0], groups, "?"))
        x = self.node("InstanceNormalization", [x, self.weight((groups,), F), self.weight((groups,), F)], F, x.dims, epsilon=0.01)
        y = self.node("Reshape", [x, self.node("Shape", [v], I64, (4,))], F, v.dims)
        if self.chance(0.8):
            y = self.node("Mul", [y, self.weight((c, 1, 1) if self.chance(0.8) else (), F)], F, v.dims)
        if self.chance(0.8):
            self.node("Add", [y, self.weight((1, c, 1, 1) if self.chance(0.8) else (1,), F)], F, v.dims)

    def gate(self):
        v = self.float_value()
        which = self.rng.randrange(4)
        if which == 0 and v.dtype == F:
            e = self.node("Exp", [self.tame(v)], F, v.dims)
            e = self.node("Add", [e, self.scalar(1.0 if self.chance(0.8) else 2.0, v)], F, v.dims)
            self.node("Log", [e], F, v.dims)
        elif which == 1 and v.dtype == F:
            t = self.node("Tanh", [self.node("Softplus", [v], F, v.dims)], F, v.dims)
            self.node("Mul", [v, t] if self.chance(0.9) else [t, t], F, v.dims)
        elif which == 2:
            self.node("Mul", [self.node("Sigmoid", [v], v.dtype, v.dims), v], v.dtype, v.dims)
        elif which == 3:
            high = self.rng.choice([1.0, 6.0])
            x = self.node("Mul", [v, self.scalar(0.3, v)], v.dtype, v.dims) if self.chance(0.5) else v
            x = self.node("Add", [x, self.scalar(high / 2, v)], v.dtype, v.dims)
            if self.chance(0.7):
                x = self.node("Clip", [x, self.scalar(0.0, v, False), self.scalar(high, v, False)], v.dtype, v.dims)
            else:
                x = self.node("Min", [self.node("Relu", [x], v.dtype, v.dims), self.scalar(high, v)], v.dtype, v.dims)
            if high > 1 or self.chance(0.2):
                x = self.node("Div", [x, self.scalar(high, v)], v.dtype, v.dims)
            if self.chance(0.4):
                self.node("Mul", [v, x], v.dtype, v.dims)
