# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Models in which a weight appears in each form that quantize knows, large enough to be worth it. Needs onnx and numpy."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper


def weight(shape, name, seed=0, dtype=np.float32):
    rng = np.random.default_rng([seed, *shape])
    return numpy_helper.from_array(rng.uniform(-1, 1, shape).astype(dtype), name)


def info(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def model(nodes, inputs, weights, opset=17, ir=8, functions=(), domains=(), weights_are_inputs=False):
    """The last node's first output is the model's output, a matrix (see with_rank)."""
    inputs = list(inputs) + [info(w.name, list(w.dims)) for w in weights if weights_are_inputs]
    graph = helper.make_graph(nodes, "g", inputs, [info(nodes[-1].output[0], ["out0", "out1"])], initializer=list(weights))
    return helper.make_model(graph, ir_version=ir, functions=list(functions),
                             opset_imports=[helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains])


def simple(op, x_shape, w_shape, rank, left=False, x_type=TensorProto.FLOAT, opset=17, ir=8, as_input=False, **attrs):
    names = ["w", "x"] if left else ["x", "w"]
    m = model([helper.make_node(op, names, ["y"], name="n", **attrs)], [info("x", x_shape, x_type)], [weight(w_shape, "w")],
              opset, ir, weights_are_inputs=as_input)
    return with_rank(m, rank)


def with_rank(m, rank):
    """The output of that rank, sizes unknown."""
    m.graph.output[0].CopyFrom(info(m.graph.output[0].name, [f"out{i}" for i in range(rank)]))
    return m


def branch(name, nodes, out_rank, weights=()):
    return helper.make_graph(nodes, name, [], [info(nodes[-1].output[0], [None] * out_rank)], initializer=list(weights))


def if_model():
    then = branch("then", [helper.make_node("MatMul", ["x", "outer"], ["t"], name="t")], 2)
    other = branch("else", [helper.make_node("MatMul", ["x", "inner"], ["e"], name="e")], 2, [weight((32, 40), "inner", 2)])
    nodes = [helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0), helper.make_node("Greater", ["s", "zero"], ["c"]),
             helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)]
    return model(nodes, [info("x", ["N", 32])], [weight((32, 40), "outer"), numpy_helper.from_array(np.float32(0), "zero")])


def loop_model():
    body = helper.make_graph(
        [helper.make_node("Identity", ["c_in"], ["c_out"]), helper.make_node("Gemm", ["h_in", "w"], ["g"], transB=1),
         helper.make_node("Tanh", ["g"], ["h_out"])], "body",
        [info("i", [], TensorProto.INT64), info("c_in", [], TensorProto.BOOL), info("h_in", [None, 40])],
        [info("c_out", [], TensorProto.BOOL), info("h_out", [None, 40])], initializer=[weight((40, 40), "w")])
    nodes = [helper.make_node("Loop", ["three", "", "x"], ["y"], body=body)]
    return model(nodes, [info("x", ["N", 40])], [numpy_helper.from_array(np.int64(3), "three")])


def embedding_in_branch():
    then = branch("then", [helper.make_node("Gather", ["table", "x"], ["t"])], 3)
    other = branch("else", [helper.make_node("Gather", ["table", "x"], ["e0"]), helper.make_node("Neg", ["e0"], ["e"])], 3)
    nodes = [helper.make_node("If", ["yes"], ["y"], then_branch=then, else_branch=other)]
    return with_rank(model(nodes, [info("x", ["N", "S"], TensorProto.INT64)],
                           [weight((50, 64), "table"), numpy_helper.from_array(np.bool_(True), "yes")]), 3)


def shared_model():
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Gemm", ["a", "w"], ["b"], transB=1),
             helper.make_node("MatMul", ["b", "w"], ["y"])]
    return model(nodes, [info("x", ["N", 40])], [weight((40, 40), "w")])


def tied_model():
    nodes = [helper.make_node("Gather", ["w", "x"], ["e"]), helper.make_node("Relu", ["e"], ["r"]),
             helper.make_node("MatMul", ["r", "w"], ["y"])]
    return with_rank(model(nodes, [info("x", ["N", "S"], TensorProto.INT64)], [weight((48, 48), "w")]), 3)


def two_axes_model():
    nodes = [helper.make_node("Gather", ["w", "x"], ["rows"]), helper.make_node("Gather", ["w", "x"], ["columns"], axis=1),
             helper.make_node("MatMul", ["rows", "columns"], ["a"]), helper.make_node("MatMul", ["a", "v"], ["y"])]
    return model(nodes, [info("x", [40], TensorProto.INT64)], [weight((48, 48), "w"), weight((40, 64), "v", 3)])


def constant_model():
    nodes = [helper.make_node("Constant", [], ["w"], value=weight((64, 40), "")), helper.make_node("MatMul", ["x", "w"], ["y"])]
    return model(nodes, [info("x", ["N", 64])], [])


def function_model():
    f = helper.make_function("mine", "Linear", ["a", "b"], ["c"], [helper.make_node("MatMul", ["a", "b"], ["c"])],
                             [helper.make_opsetid("", 17)])
    nodes = [helper.make_node("MatMul", ["x", "v"], ["h"]), helper.make_node("Linear", ["h", "w"], ["y"], domain="mine")]
    return model(nodes, [info("x", ["N", 64])], [weight((64, 64), "v"), weight((64, 40), "w", 1)], functions=[f], domains=["mine"])


def names_model():
    nodes = [helper.make_node("MatMul", ["x", "w_scale"], ["w_quantized"], name="w_DequantizeLinear"),
             helper.make_node("MatMul", ["w_quantized", "w"], ["größe/a b:0"], name="[*]")]
    return model(nodes, [info("x", ["N", 64])], [weight((64, 64), "w_scale"), weight((64, 40), "w", 1)])


def huge_model():
    m = simple("MatMul", ["N", 64], (64, 40), 2)
    w = numpy_helper.to_array(m.graph.initializer[0]).copy()
    w[:, 0] = 0
    w[:, 1] *= 1e-42
    w[:, 2] *= 1e30
    m.graph.initializer[0].CopyFrom(numpy_helper.from_array(w, "w"))
    return m


def all_models():
    """Yields name, model."""
    ids = TensorProto.INT64
    yield "conv1d", simple("Conv", ["N", 16, 20], (24, 16, 5), 3)
    yield "conv2d", simple("Conv", ["N", 8, 12, 12], (16, 8, 3, 3), 4, pads=[1, 1, 1, 1])
    yield "conv3d", simple("Conv", ["N", 4, 6, 6, 6], (8, 4, 3, 3, 3), 5)
    yield "conv_grouped", simple("Conv", ["N", 16, 9, 9], (32, 4, 3, 3), 4, group=4)
    yield "conv_depthwise", simple("Conv", ["N", 64, 9, 9], (64, 1, 5, 5), 4, group=64)
    yield "conv_one_output", simple("Conv", ["N", 64, 9, 9], (1, 64, 3, 3), 4)
    yield "matmul", simple("MatMul", ["N", 64], (64, 40), 2)
    yield "matmul_left", simple("MatMul", [64, "N"], (40, 64), 2, left=True)
    yield "matmul_3d", simple("MatMul", ["N", 3, 5, 64], (3, 64, 40), 4)
    yield "matmul_3d_left", simple("MatMul", ["N", 3, 64, 5], (3, 40, 64), 4, left=True)
    yield "matmul_1d", simple("MatMul", ["N", 640], (640,), 1)
    yield "matmul_1d_left", simple("MatMul", [640, "N"], (640,), 1, left=True)
    yield "gemm", simple("Gemm", ["N", 64], (64, 40), 2, alpha=0.5)
    yield "gemm_trans_b", simple("Gemm", ["N", 64], (40, 64), 2, transB=1)
    yield "gemm_trans_a", simple("Gemm", [64, "N"], (64, 40), 2, transA=1)
    yield "gather_scalar", simple("Gather", [], (50, 64), 1, left=True, x_type=ids)
    yield "gather_vector", simple("Gather", ["N"], (50, 64), 2, left=True, x_type=ids)
    yield "gather_matrix", simple("Gather", ["N", "S"], (50, 64), 3, left=True, x_type=ids)
    yield "gather_int32", simple("Gather", ["N", "S"], (50, 64), 3, left=True, x_type=TensorProto.INT32)
    yield "gather_3d_ids", simple("Gather", ["N", "S", 2], (50, 64), 4, left=True, x_type=ids)
    yield "gather_3d_table", simple("Gather", ["N", "S"], (50, 8, 8), 4, left=True, x_type=ids)
    yield "gather_1d_table", simple("Gather", ["N", "S"], (640,), 2, left=True, x_type=ids)
    yield "gather_axis_1", with_rank(model(
        [helper.make_node("Gather", ["t", "x"], ["g"], axis=1), helper.make_node("MatMul", ["g", "w"], ["y"])],
        [info("x", [40], ids)], [weight((30, 48), "t"), weight((40, 64), "w", 1)]), 2)
    yield "gather_both_axes", two_axes_model()
    yield "shared", shared_model()
    yield "tied_embedding", tied_model()
    yield "constant_node", constant_model()
    yield "if_branches", if_model()
    yield "loop_body", loop_model()
    yield "embedding_in_branch", embedding_in_branch()
    yield "function", function_model()
    yield "names", names_model()
    yield "zero_tiny_huge_channels", huge_model()
    for opset in (7, 8, 9, 10, 11, 12, 13, 19, 21, 24, 26):
        yield f"opset_{opset}", simple("MatMul", ["N", 64], (64, 40), 2, opset=opset,
                                       ir=3 if opset < 9 else 8 if opset < 21 else 10, as_input=opset < 9)
    yield "ir_3_inputs", simple("MatMul", ["N", 64], (64, 40), 2, opset=8, ir=3, as_input=True)
    yield "ir_3_new_opset", simple("MatMul", ["N", 64], (64, 40), 2, opset=13, ir=3, as_input=True)
    yield "inputs", simple("MatMul", ["N", 64], (64, 40), 2, as_input=True)
