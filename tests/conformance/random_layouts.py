# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Random models with channels last, as TensorFlow's exporters write them: convolutions between Transposes, arithmetic on the turned
tensors; and parts of parts, turned operands of products, scaled inputs, integers that are moved and rounded again."""
import numpy as np
from random_exports import Exports
from random_graphs import F, I64
from random_patterns import S8, U8

LAST, SECOND = [0, 2, 3, 1], [0, 3, 1, 2]


class Layouts(Exports):
    COMMON = Exports.COMMON + ["channels_last"] * 5 + ["turned", "turned_product", "dense", "part_of_part", "part_of_part",
                                                       "split_and_join", "scaled_input", "scaled_input"]
    ROUNDED = Exports.ROUNDED + ["moved_codes", "moved_codes"]

    def turn(self, v, perm):
        return self.node("Transpose", [v], v.dtype, tuple(v.dims[p] for p in perm), perm=list(perm))

    # ---- channels last

    def channels_last(self):
        v = self.some(lambda o: o.dtype == F and o.rank == 4 and all(isinstance(d, int) for d in o.dims[1:]))
        if not v:
            return
        x = self.turn(v, LAST)
        for _ in range(self.rng.randrange(1, 6)):
            step = self.rng.choice(["conv", "conv", "number", "row", "unary", "unary", "pad", "split", "join", "mean", "slice", "soft"])
            x = getattr(self, "last_" + step)(x)
        if self.chance(0.7):
            self.turn(x, SECOND if self.chance(0.9) else self.rng.sample(range(4), 4))

    def last_conv(self, x):
        c, n = x.dims[3], self.rng.choice([x.dims[3], 4])
        y = self.turn(x, SECOND)
        y = self.node("Conv", [y, self.weight((n, c, 1, 1), F)], F, (y.dims[0], n) + y.dims[2:])
        y = self.turn(y, LAST)
        if self.chance(0.7):
            y = self.node("Add", [y, self.weight((n,), F)], F, y.dims)
        if n == c and self.chance(0.4):
            y = self.node("Add", [y, x] if self.chance(0.5) else [x, y], F, y.dims)
        return y

    def last_number(self, x):
        return self.node(self.rng.choice(["Mul", "Add", "Sub", "Max"]), [x, self.scalar(0.5, x)], F, x.dims)

    def last_row(self, x):
        dims = self.rng.choice([(x.dims[3],), (1, 1, 1, x.dims[3]), x.dims[2:], (x.dims[1], 1, 1)])
        pair = [x, self.weight(dims, F)]
        self.rng.shuffle(pair)
        return self.node(self.rng.choice(["Mul", "Add", "Sub"]), pair, F, x.dims)

    def last_unary(self, x):
        return self.node(self.rng.choice(["Relu", "Sigmoid", "Tanh", "Neg", "LeakyRelu"]), [x], F, x.dims)

    def last_pad(self, x):
        pads = [0, 1, self.rng.choice([0, 1]), 0, 0, self.rng.choice([0, 1]), 2, 0]
        dims = tuple(d if isinstance(d, str) else d + pads[i] + pads[4 + i] for i, d in enumerate(x.dims))
        return self.node("Pad", [x, self.ints(*pads)], F, dims)

    def last_split(self, x):
        axis = self.rng.choice([1, 2, 3, 3, -1])
        size = x.dims[axis]
        if size < 2:
            return x
        a, b = self.node("Split", [x, self.ints(1, size - 1)], [F, F], [x.dims[:axis % 4] + (s,) + x.dims[axis % 4 + 1:] for s in (1, size - 1)],
                         n_out=2, axis=axis)
        return self.node("Concat", [a, b] if self.chance(0.5) else [b, a], F, x.dims, axis=axis)

    def last_join(self, x):
        other = self.node("Exp", [self.tame(x)], F, x.dims) if self.chance(0.5) else x
        return self.node("Concat", [x, other], F, x.dims[:3] + (2 * x.dims[3],), axis=self.rng.choice([3, -1]))

    def last_mean(self, x):
        return self.reduced(self.rng.choice(["ReduceMean", "ReduceMax"]), x, [1, 2], 1) if self.chance(0.3) else x

    def last_slice(self, x):
        if x.dims[1] < 2:
            return x
        inputs = [x, self.ints(0, 1), self.ints(3, x.dims[1])]
        if isinstance(x.dims[0], str):
            inputs = [x, self.ints(1), self.ints(x.dims[1]), self.ints(1)]
            return self.node("Slice", inputs, F, (x.dims[0], x.dims[1] - 1) + x.dims[2:])
        return self.node("Slice", inputs, F, (min(3, x.dims[0]), x.dims[1] - 1) + x.dims[2:])

    def last_soft(self, x):
        return self.node("Softmax", [x], F, x.dims, axis=self.rng.choice([1, 3, -1])) if self.chance(0.5) else x

    def turned(self):
        """A turned tensor of any rank, some arithmetic, and back."""
        v = self.some(lambda o: o.dtype == F and 2 <= o.rank <= 4)
        if not v:
            return
        perm = self.rng.sample(range(v.rank), v.rank)
        x = self.turn(v, perm)
        if self.chance(0.4):
            x = self.node("Add", [x, self.turn(self.tame(v), perm)], F, x.dims)
        x = self.last_unary(x)
        self.turn(x, [perm.index(i) for i in range(v.rank)] if self.chance(0.8) else perm)

    # ---- products

    def dense(self):
        """A dense layer and its normalization."""
        v = self.some(lambda o: o.dtype == F and o.rank in (2, 2, 3) and isinstance(o.dims[-1], int))
        if not v:
            return
        n = self.rng.choice([3, 8])
        y = self.node("MatMul", [v, self.weight((v.dims[-1], n), F)], F, v.dims[:-1] + (n,))
        for op in ("Add", "Mul", "Add"):
            if self.chance(0.7):
                y = self.node(op, [y, self.weight((n,) if self.chance(0.8) else (1, n), F)], F, y.dims)

    def turned_product(self):
        v = self.some(lambda o: o.dtype == F and o.rank == 2)
        if not v:
            return
        a, b = self.turn(v, [1, 0]), v
        if self.chance(0.5):
            a, b = b, a
        y = self.node("MatMul" if self.chance(0.6) else "Gemm", [a, b], F, (a.dims[0], b.dims[1]))
        if self.chance(0.5):
            self.node("Add", [y, self.scalar(1.0, y)], F, y.dims)

    def scaled_input(self):
        """Arithmetic per channel, or normalization, in front of a product."""
        v = self.image() if self.chance(0.6) else self.some(lambda o: o.dtype == F and o.rank == 2 and isinstance(o.dims[1], int))
        if not v or v.dtype != F:
            return
        c, axes = v.dims[1], v.rank - 2
        x = v
        if self.chance(0.4):
            x = self.batchnorm_of(v)
        else:
            for op in self.rng.choice([["Mul"], ["Mul", "Add"], ["Sub", "Div"], ["Div"]]):
                dims = self.rng.choice([(), (c,) + (1,) * axes])
                x = self.node(op, [x, self.const(self.np.uniform(0.5, 2, dims), F)], F, x.dims)
        if axes:
            pad, group, k = self.rng.choice([0, 0, 1]), self.rng.choice([1, c]), self.rng.choice([1, 3])
            size = tuple(d + 2 * pad - k + 1 for d in v.dims[2:])
            self.node("Conv", [x, self.weight((2 * c, c // group) + (k,) * axes, F), self.weight((2 * c,), F) if self.chance(0.5) else None], F,
                      (v.dims[0], 2 * c) + size, kernel_shape=[k] * axes, pads=[pad] * (2 * axes), group=group)
        elif self.chance(0.5):
            self.node("Gemm", [x, self.weight((5, c), F)] + ([self.weight((5,), F)] if self.chance(0.6) else []), F, (v.dims[0], 5), transB=1)
        else:
            self.node("MatMul", [x, self.weight((c, 5), F)], F, (v.dims[0], 5))

    # ---- parts

    def part_of_part(self):
        v = self.some(lambda o: o.rank >= 2 and isinstance(o.dims[-1], int) and o.dims[-1] >= 4 and isinstance(o.dims[-2], int) and o.dims[-2] > 1)
        if not v:
            return
        n, m = v.dims[-1], v.dims[-2]
        if self.chance(0.5):
            x = self.node("Gather", [v, self.ints(n - 1, 0, -2)], v.dtype, v.dims[:-1] + (3,), axis=v.rank - 1)
            index = self.rng.choice([self.ints(1, 2), self.const(np.array(-1), I64), self.const(np.array([[0, 2]]), I64)])
            self.node("Gather", [x, index], v.dtype, v.dims[:-1] + index.dims, axis=-1)
            return
        x = self.node("Slice", [v, self.ints(1), self.ints(n), self.ints(-1)], v.dtype, v.dims[:-1] + (n - 1,))
        if self.chance(0.6):
            self.node("Slice", [x, self.ints(0), self.ints(m - 1), self.ints(v.rank - 2)], v.dtype, v.dims[:-2] + (m - 1, n - 1))
        else:
            step = self.rng.choice([1, 2, -1])
            inputs = [x, self.ints(-1 if step < 0 else 1), self.ints(-100 if step < 0 else n), self.ints(v.rank - 1), self.ints(step)]
            self.node("Slice", inputs, v.dtype, v.dims[:-1] + (n - 1 if step < 0 else (n - 3 + step) // step,))

    def split_and_join(self):
        v = self.some(lambda o: o.rank >= 1 and isinstance(o.dims[-1], int) and o.dims[-1] >= 3)
        if not v:
            return
        sizes, axis = [1, v.dims[-1] - 2, 1], v.rank - 1
        parts = self.node("Split", [v, self.ints(*sizes)], [v.dtype] * 3, [v.dims[:-1] + (s,) for s in sizes], n_out=3, axis=axis)
        used = parts if self.chance(0.5) else self.rng.choice([parts[:2], parts[1:], parts[::-1]])
        y = self.node("Concat", used, v.dtype, v.dims[:-1] + (sum(p.dims[-1] for p in used),), axis=axis)
        if self.chance(0.5):
            self.node("Split", [y, self.ints(*[p.dims[-1] for p in used])], [v.dtype] * len(used), [p.dims for p in used], n_out=len(used), axis=-1)

    # ---- integers

    def moved_codes(self):
        """Rounded, moved, and rounded again by the same numbers."""
        v = self.some(lambda o: o.dtype == F and 2 <= o.rank <= 4)
        if not v:
            return
        kind = self.rng.choice([U8, S8])
        s, z = self.scale(), self.const(np.array(3), kind)
        x = self.node("QuantizeLinear", [v, s, z], kind, v.dims)
        x = self.node("DequantizeLinear", [x, s, z], F, v.dims)
        for _ in range(self.rng.randrange(0, 3)):
            if self.chance(0.5):
                x = self.turn(x, self.rng.sample(range(x.rank), x.rank))
            elif self.chance(0.5):
                x = self.node("Unsqueeze", [x, self.ints(0)], F, (1,) + x.dims)
            else:
                x = self.node("Concat", [x, x], F, tuple("?" if i == 0 else d for i, d in enumerate(x.dims)), axis=0)
        if self.chance(0.3):
            z = self.const(np.array(self.rng.choice([3, 4])), kind)
        y = self.node("QuantizeLinear", [x, s, z], kind, x.dims)
        self.node("DequantizeLinear", [y, s, z], F, x.dims)
