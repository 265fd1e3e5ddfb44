#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Makes everything in testdata/: trained digit models, odd graphs, and files to be refused.

    python scripts/make_testdata.py testdata

Same versions of the packages (scripts/requirements-testdata.txt), same bytes. `expected.txt` in odd/
and bad/ holds verdicts measured here, of onnx.checker.check_model(path) and onnxruntime.

Adding an odd graph: one function with @odd and a one-line docstring, which becomes its row in the
README. It returns a model, bytes, or a dict of file name to either (a folder: external data).
"""

import os

# One thread and one kind of kernel, so that training gives the same weights on other machines.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OPENBLAS_CORETYPE"] = "Haswell"

import hashlib
import inspect
import pathlib
import shutil
import signal
import struct
import sys
import zlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper, parser
from sklearn.datasets import load_digits

ODD = {}  # file name without suffix -> function that builds it
BAD = {}
FAMILIES = {}  # name pattern -> what the files made by a loop are


def odd(build):
    """Registers a function that builds one file of testdata/odd."""
    ODD[build.__name__] = build
    return build


def bad(build):
    """Registers a function that builds one file of testdata/bad."""
    BAD[build.__name__] = build
    return build


# ---------------------------------------------------------------- building blocks


def rand(*shape):
    """Random float32 multiples of 1/64 in -1..1: exact in fp16 and in any order of summation."""
    return (np.random.randint(-64, 65, size=shape) / 64).astype(np.float32)


def net(text, opset=17, ir=8, imports=(), **weights):
    """A model from ONNX text syntax (graph, then functions), with arrays as initializers."""
    domains = [("", opset), *imports]
    opsets = ", ".join(f'"{domain}": {version}' for domain, version in domains)
    model = parser.parse_model(f"<ir_version: {ir}, opset_import: [{opsets}]> {text}")
    model.producer_name = "mq make_testdata"
    for name, value in weights.items():
        add_weight(model, name, value)
    return model


def add_weight(model, name, value):
    """Adds an initializer: an array, or a TensorProto that only lacks its name."""
    tensor = value if isinstance(value, TensorProto) else numpy_helper.from_array(value)
    model.graph.initializer.add().CopyFrom(tensor)
    model.graph.initializer[-1].name = name


def linear(**header):
    """The smallest model with a weight: y = x * w."""
    return net(
        "linear (float[N,4] x) => (float[N,3] y) { y = MatMul(x, w) }", w=rand(4, 3), **header
    )


def rename(model, names):
    """Replaces value names and node names everywhere in the main graph."""
    graph = model.graph
    for named in [*graph.input, *graph.output, *graph.initializer, *graph.node]:
        named.name = names.get(named.name, named.name)
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [names.get(name, name) for name in ends]
    return model


def name_nodes(model, *names):
    """Gives the nodes of the main graph their names."""
    for node, name in zip(model.graph.node, names, strict=True):
        node.name = name
    return model


def sparse(name, values, indices, dims):
    """A sparse tensor whose values carry its name."""
    sparse_values = numpy_helper.from_array(np.float32(values), name)
    sparse_indices = numpy_helper.from_array(np.int64(indices), name + "_indices")
    return helper.make_sparse_tensor(sparse_values, sparse_indices, dims)


def props(message, **entries):
    """Adds metadata_props to any message that has them."""
    for key, value in entries.items():
        message.metadata_props.add(key=key, value=value)


# ---------------------------------------------------------------- protobuf by hand


def varint(number, width=0):
    """A varint of at least `width` bytes (longer than needed is legal)."""
    out = bytearray()
    while number > 127 or len(out) + 1 < width:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def field(number, payload):
    """One protobuf field: an int as varint, bytes as length-delimited."""
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    return varint(number << 3 | 2) + varint(len(payload)) + payload


UNKNOWN_FIELDS = (
    field(1000, 300)
    + varint(1001 << 3 | 1) + struct.pack("<d", 0.5)
    + field(1002, b"unknown bytes")
    + varint(1003 << 3 | 3) + field(1, 7) + varint(1003 << 3 | 4)
    + varint(1004 << 3 | 5) + struct.pack("<f", 0.25)
)  # one of each wire type, a group included


def wire_model(graph, ir=8, opset=17):
    """A serialized model around a serialized graph."""
    return field(1, ir) + field(7, graph) + field(8, field(1, b"") + field(2, opset))


def wire_linear(weight):
    """The fields of linear()'s graph, around a serialized TensorProto."""
    graph = linear().graph
    node, x, y = (part.SerializeToString() for part in (graph.node[0], graph.input[0], graph.output[0]))
    return [field(1, node), field(2, b"linear"), field(5, weight), field(11, x), field(12, y)]


def wire_weight():
    """The fields of linear()'s weight: dims, type, name, data."""
    dims = field(1, 4) + field(1, 3)
    return [dims, field(2, TensorProto.FLOAT), field(8, b"w"), field(9, rand(4, 3).tobytes())]


# ---------------------------------------------------------------- odd: control flow


@odd
def if_subgraph():
    """If: each branch holds a weight of its own and reads x from outside."""
    return net(
        """g (float[N,2] x, bool cond) => (float[N,2] y) {
            y = If (cond) <
                then_branch = yes () => (float[N,2] a) <float[2,2] w1 = {1, 2, 3, 4}> { a = MatMul(x, w1) },
                else_branch = no () => (float[N,2] b) <float[2,2] w2 = {5, 6, 7, 8}> { b = MatMul(x, w2) }>
        }"""
    )


@odd
def if_outer_weight():
    """If: the inner MatMul uses a weight of the outer graph, used nowhere else."""
    return net(
        """g (float[N,4] x, bool cond) => (float[N,3] y) {
            y = If (cond) <
                then_branch = yes () => (float[N,3] a) { a = MatMul(x, w) },
                else_branch = no () => (float[N,3] b) { t = MatMul(x, w)  b = Neg(t) }>
        }""",
        w=rand(4, 3),
    )


@odd
def if_constant_condition():
    """If whose condition is an initializer: one branch is dead."""
    return net(
        """g (float[N,2] x) => (float[N,2] y) {
            y = If (cond) <
                then_branch = yes () => (float[N,2] a) { a = Relu(x) },
                else_branch = no () => (float[N,2] b) { b = Neg(x) }>
        }""",
        cond=np.array(True),
    )


@odd
def loop_subgraph():
    """Loop: carried state, a scan output, a weight in the body, one from outside."""
    return net(
        """g (float[N,2] x, int64 trips) => (float[N,2] y, float[T,N,2] history) {
            y, history = Loop (trips, go, x) <
                body = step (int64 i, bool c, float[N,2] s) => (bool c_out, float[N,2] s_out, float[N,2] seen)
                <float[2,2] inner = {0.5, 0, 0, 0.5}> {
                    c_out = Identity(c)
                    t = MatMul(s, inner)
                    s_out = MatMul(t, outer)
                    seen = Identity(s_out)
                }>
        }""",
        go=np.array(True),
        outer=rand(2, 2),
    )


@odd
def scan_subgraph():
    """Scan: running state and scanned output, weights inside and outside."""
    return net(
        """g (float[2] h0, float[T,2] x) => (float[2] h, float[T,2] y) {
            h, y = Scan (h0, x) <num_scan_inputs = 1,
                body = step (float[2] s, float[2] xi) => (float[2] s_out, float[2] yi)
                <float[2,2] inner = {1, 0, 0, 1}> {
                    a = MatMul(s, inner)
                    b = MatMul(xi, outer)
                    s_out = Add(a, b)
                    yi = Tanh(s_out)
                }>
        }""",
        outer=rand(2, 2),
    )


def if_tower(levels):
    """Text of If in If: the innermost level multiplies by the outermost weight."""
    name, body = "y0", "y0 = MatMul(x, w)"
    for level in range(1, levels + 1):
        name, inner, body_inner = f"y{level}", name, body
        body = (
            f"{name} = If (cond) <then_branch = yes{level} () => (float[N,2] {inner}) {{ {body_inner} }}, "
            f"else_branch = no{level} () => (float[N,2] n{level}) {{ n{level} = Neg(x) }}>"
        )
    return net(f"g (float[N,2] x, bool cond) => (float[N,2] {name}) {{ {body} }}", w=rand(2, 2))


@odd
def nested_if():
    """If in If in If: the weight is three scopes out."""
    return if_tower(3)


@odd
def nested_if_20():
    """If nested 20 levels deep."""
    return if_tower(20)


@odd
def loop_in_if():
    """A Loop inside an If branch, weight two scopes out."""
    return net(
        """g (float[N,2] x, bool cond, int64 trips) => (float[N,2] y) {
            y = If (cond) <
                then_branch = yes () => (float[N,2] a) {
                    a = Loop (trips, cond, x) <
                        body = step (int64 i, bool c, float[N,2] s) => (bool c_out, float[N,2] s_out) {
                            c_out = Identity(c)
                            s_out = MatMul(s, w)
                        }>
                },
                else_branch = no () => (float[N,2] b) { b = Neg(x) }>
        }""",
        w=rand(2, 2),
    )


@odd
def subgraph_reuses_name():
    """Both branches of an If use the same inner names (legal: scopes are siblings)."""
    return net(
        """g (float[N,2] x, bool cond) => (float[N,2] y) {
            y = If (cond) <
                then_branch = yes () => (float[N,2] a) <float[2,2] w = {1, 2, 3, 4}> { a = MatMul(x, w) },
                else_branch = no () => (float[N,2] a) <float[2,2] w = {5, 6, 7, 8}> { a = MatMul(x, w) }>
        }"""
    )


# ---------------------------------------------------------------- odd: constants


def constant(shape, kind, **attribute):
    """A model that returns one Constant node's value."""
    model = net(f"g () => ({kind}{shape} y) {{ y = Identity(c) }}")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["c"], **attribute))
    return model


CONSTANTS = {
    "value": ("[2]", "float", {"value": numpy_helper.from_array(np.float32([1, 2]))}),
    "value_float": ("", "float", {"value_float": 1.5}),
    "value_floats": ("[3]", "float", {"value_floats": [1.5, 2.5, 3.5]}),
    "value_int": ("", "int64", {"value_int": -7}),
    "value_ints": ("[3]", "int64", {"value_ints": [1, -2, 3]}),
    "value_string": ("", "string", {"value_string": "text"}),
    "value_strings": ("[2]", "string", {"value_strings": ["", "zwei"]}),
    "sparse_value": ("[3,3]", "float", {"sparse_value": sparse("", [1, 2], [0, 4], [3, 3])}),
}
for _form, (_shape, _kind, _attribute) in CONSTANTS.items():
    ODD[f"constant_{_form}"] = lambda a=(_shape, _kind), b=_attribute: constant(*a, **b)
FAMILIES["constant_*"] = "a Constant node with that attribute"


@odd
def constant_node_weight():
    """The weight of a Gemm is a Constant node, its bias a ConstantOfShape."""
    return net(
        """g (float[N,2] x) => (float[N,2] y) {
            w = Constant <value = float[2,2] {1, 2, 3, 4}> ()
            b = ConstantOfShape <value = float[1] {0.5}> (shape)
            y = Gemm(x, w, b)
        }""",
        shape=np.int64([2]),
    )


# ---------------------------------------------------------------- odd: external data


def external(model, name, location, **entries):
    """Makes an initializer external; returns the bytes that belong in the file."""
    tensor = next(t for t in model.graph.initializer if t.name == name)
    return externalize(tensor, location, **entries)


def externalize(tensor, location, **entries):
    """Makes a tensor with raw_data external; returns its bytes."""
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return data


def two_weights():
    """y = x * w1 * w2, to be stored in several ways."""
    return net(
        "g (float[N,4] x) => (float[N,3] y) { t = MatMul(x, w1)  y = MatMul(t, w2) }",
        w1=rand(4, 4),
        w2=rand(4, 3),
    )


@odd
def external_one_file():
    """Two weights in one file, packed."""
    model = two_weights()
    first = external(model, "w1", "weights.bin", offset=0, length=64)
    second = external(model, "w2", "weights.bin", offset=64, length=48)
    return {"model.onnx": model, "weights.bin": first + second}


@odd
def external_many_files():
    """A file per weight, named like the weight."""
    model = two_weights()
    files = {name: external(model, name, name, length=size) for name, size in (("w1", 64), ("w2", 48))}
    return {"model.onnx": model, **files}


@odd
def external_aligned_4096():
    """One file, offsets that are multiples of 4096."""
    model = two_weights()
    first = external(model, "w1", "weights.bin", offset=0, length=64)
    second = external(model, "w2", "weights.bin", offset=4096, length=48)
    return {"model.onnx": model, "weights.bin": first.ljust(4096, b"\0") + second}


@odd
def external_unaligned():
    """One weight at the odd offset 3."""
    model = linear()
    data = external(model, "w", "weights.bin", offset=3, length=48)
    return {"model.onnx": model, "weights.bin": b"\xff\xff\xff" + data}


@odd
def external_checksum():
    """An external_data entry with the SHA-1 of the file."""
    model = linear()
    checksum = hashlib.sha1(model.graph.initializer[0].raw_data).hexdigest()
    data = external(model, "w", "weights.bin", offset=0, length=48, checksum=checksum)
    return {"model.onnx": model, "weights.bin": data}


@odd
def external_location_only():
    """No offset and no length: the whole file."""
    model = linear()
    return {"model.onnx": model, "weights.bin": external(model, "w", "weights.bin")}


@odd
def external_subfolder():
    """The data file lies in a folder below the model."""
    model = linear()
    data = external(model, "w", "data/weights.bin", offset=0, length=48)
    return {"model.onnx": model, "data/weights.bin": data}


@odd
def external_types():
    """int8, fp16, int64, bool and int4 weights in one file."""
    arrays = {"a": np.int8([1, -2, 3]), "b": np.float16([0.5, 65504]), "c": np.int64([-1]), "d": np.array([True])}
    text = "int8[3] ya, float16[2] yb, int64[1] yc, bool[1] yd, int4[3] ye"
    nodes = " ".join(f"y{n} = Identity({n})" for n in "abcde")
    four_bits = coded_tensor("INT4", 4, [1, 15, 8], typed=False)
    model = net(f"g () => ({text}) {{ {nodes} }}", opset=21, ir=10, **arrays, e=four_bits)
    data = b""
    for tensor in model.graph.initializer:
        data += externalize(tensor, "weights.bin", offset=len(data), length=len(tensor.raw_data))
    return {"model.onnx": model, "weights.bin": data}


@odd
def external_mixed():
    """One weight external, one inline."""
    model = two_weights()
    return {"model.onnx": model, "weights.bin": external(model, "w2", "weights.bin", offset=0, length=48)}


@odd
def external_shared_range():
    """Two weights that are the same bytes of the file."""
    model = net(
        "g (float[N,4] x) => (float[N,4] y) { t = MatMul(x, w1)  y = MatMul(t, w2) }",
        w1=rand(4, 4),
        w2=rand(4, 4),
    )
    data = external(model, "w1", "weights.bin", offset=0, length=64)
    external(model, "w2", "weights.bin", offset=0, length=64)
    return {"model.onnx": model, "weights.bin": data}


@odd
def external_constant_node():
    """The external tensor is the value of a Constant node."""
    model = net("g (float[N,4] x) => (float[N,3] y) { y = MatMul(x, w) }")
    node = helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(rand(4, 3), "c"))
    model.graph.node.insert(0, node)
    data = externalize(model.graph.node[0].attribute[0].t, "weights.bin", offset=0, length=48)
    return {"model.onnx": model, "weights.bin": data}


@odd
def external_in_subgraph():
    """The external tensor is an initializer of an If branch."""
    model = if_subgraph()
    tensor = model.graph.node[0].attribute[0].g.initializer[0]
    tensor.raw_data = rand(2, 2).tobytes()
    tensor.ClearField("float_data")
    return {"model.onnx": model, "weights.bin": externalize(tensor, "weights.bin", offset=0, length=16)}


@odd
def external_zero_sized():
    """An external tensor of no elements, at the end of the file."""
    model = net("g () => (float[0,3] y, float[2] z) { y = Identity(w)  z = Identity(v) }",
                w=rand(0, 3), v=rand(2))
    external(model, "w", "weights.bin", offset=8, length=0)
    return {"model.onnx": model, "weights.bin": external(model, "v", "weights.bin", offset=0, length=8)}


# ---------------------------------------------------------------- odd: names


@odd
def node_names_absent():
    """No node has a name."""
    return two_weights()


@odd
def node_names_duplicate():
    """Two nodes have the same name."""
    return name_nodes(two_weights(), "same", "same")


@odd
def node_name_is_value_name():
    """Nodes are named like the values they write, and like the weight."""
    return name_nodes(two_weights(), "w1", "y")


@odd
def optional_input_empty():
    """Clip without its minimum: an empty input name in the middle."""
    return net('g (float[N,4] x) => (float[N,4] y) { y = Clip(x, "", top) }', top=np.float32(6))


@odd
def optional_input_trailing_empty():
    """Empty input names at the end of the list."""
    return net('g (float[N,4] x) => (float[N,4] y) { y = Clip(x, "", "") }')


@odd
def optional_output_empty():
    """LSTM with an empty first output name; only the last state is used."""
    return net(
        'g (float[T,N,3] x) => (float[1,N,2] h) { "", h = LSTM <hidden_size = 2> (x, w, r) }',
        w=rand(1, 8, 3),
        r=rand(1, 8, 2),
    )


NAMES = {
    "slashes": ("model/layer.0/MatMul:0", "model//weight", "/x", "y/", "/MatMul"),
    "colons": ("a/b:0", "w:0", "x:0", "y:1", "op:"),
    "spaces": ("hidden layer", " w ", "the input", "the output", "my node"),
    "globs": ("t?", "w[1]*", "x*", "y{a,b}", "**"),
    "utf8": ("größe", "重み", "вход", "🙂", "é"),
    "dots": ("..", "../w", ".", "-y", "--option"),
    "quotes": ("a\"b", "it's", "$HOME", "`y`", "\\n"),
    "control": ("a\nb", "w\tw", "\x1b[31mx", "y\r", "\x07"),
    "long": ("t" * 300, "w" * 5000, "x" * 300, "y" * 300, "n" * 1000),
    "numbers": ("0", "1", "2", "3", "4"),
}


def odd_names(middle, weight, x, y, node):
    """Two nodes and all their names."""
    model = net("g (float[N,4] x) => (float[N,3] y) { t = MatMul(x, w)  y = Relu(t) }", w=rand(4, 3))
    return rename(name_nodes(model, node, node + "2"), {"t": middle, "w": weight, "x": x, "y": y})


for _form, _names in NAMES.items():
    ODD[f"names_{_form}"] = lambda a=_names: odd_names(*a)
FAMILIES["names_*"] = "values, weight and nodes with such names"


# ---------------------------------------------------------------- odd: data types

# name: (opset that Identity needs, IR version, field of typed data, values)
WIDE_TYPES = {
    "FLOAT": (17, 8, "float_data", np.float32([0, -0.0, 1.5, -3.4e38, 1e-45])),
    "DOUBLE": (17, 8, "double_data", np.float64([0, -0.0, 1.5, -1.7e308, 5e-324])),
    "INT8": (17, 8, "int32_data", np.int8([0, 1, -1, 127, -128])),
    "INT16": (17, 8, "int32_data", np.int16([0, 1, -1, 32767, -32768])),
    "INT32": (17, 8, "int32_data", np.int32([0, 1, -1, 2**31 - 1, -(2**31)])),
    "INT64": (17, 8, "int64_data", np.int64([0, 1, -1, 2**63 - 1, -(2**63)])),
    "UINT8": (17, 8, "int32_data", np.uint8([0, 1, 2, 127, 255])),
    "UINT16": (17, 8, "int32_data", np.uint16([0, 1, 2, 32768, 65535])),
    "UINT32": (17, 8, "uint64_data", np.uint32([0, 1, 2, 2**31, 2**32 - 1])),
    "UINT64": (17, 8, "uint64_data", np.uint64([0, 1, 2, 2**63, 2**64 - 1])),
    "BOOL": (17, 8, "int32_data", np.array([False, True, True, False, True])),
    "COMPLEX64": (17, 8, "float_data", np.complex64([0, 1, 1j, -2.5 + 3j, 1e38])),
    "COMPLEX128": (17, 8, "double_data", np.complex128([0, 1, 1j, -2.5 + 3j, 1e300])),
}
# name: (opset, IR version, bits, five codes: zero, one, smallest, largest, a special one)
CODED_TYPES = {
    "FLOAT16": (17, 8, 16, [0, 0x3C00, 0x0001, 0x7BFF, 0x7E00]),
    "BFLOAT16": (17, 8, 16, [0, 0x3F80, 0x0001, 0x7F7F, 0x7FC0]),
    "FLOAT8E4M3FN": (19, 9, 8, [0, 0x38, 0x01, 0x7E, 0x7F]),
    "FLOAT8E4M3FNUZ": (19, 9, 8, [0, 0x40, 0x01, 0x7F, 0x80]),
    "FLOAT8E5M2": (19, 9, 8, [0, 0x3C, 0x01, 0x7B, 0xFC]),
    "FLOAT8E5M2FNUZ": (19, 9, 8, [0, 0x40, 0x01, 0x7F, 0x80]),
    "UINT4": (21, 10, 4, [0, 1, 2, 15, 8]),
    "INT4": (21, 10, 4, [0, 1, 8, 7, 15]),
    "FLOAT4E2M1": (23, 11, 4, [0, 2, 1, 7, 15]),
    "FLOAT8E8M0": (24, 12, 8, [0, 0x7F, 0x01, 0xFE, 0xFF]),
    "UINT2": (25, 13, 2, [0, 1, 2, 3, 2]),
    "INT2": (25, 13, 2, [0, 1, 2, 1, 3]),
    "FLOAT6E2M3": (28, 14, 6, [0, 8, 1, 31, 63]),
    "FLOAT6E3M2": (28, 14, 6, [0, 12, 1, 31, 63]),
}


def pack_bits(codes, bits):
    """Codes of less than 8 bits as one bit stream, lowest bits first."""
    stream = sum(code << bits * i for i, code in enumerate(codes))
    return stream.to_bytes((len(codes) * bits + 7) // 8, "little")


def coded_tensor(name, bits, codes, typed):
    """A tensor from bit patterns, as raw_data or int32_data (6-bit types: one element an entry)."""
    packed = np.array(codes, f"u{bits // 8}").tobytes() if bits >= 8 else pack_bits(codes, bits)
    tensor = TensorProto(data_type=TensorProto.DataType.Value(name), dims=[len(codes)])
    if not typed:
        tensor.raw_data = packed
    elif bits in (2, 4):
        tensor.int32_data.extend(packed)
    else:
        tensor.int32_data.extend(codes)
    return tensor


def wide_tensor(name, data_field, values, typed):
    """A tensor from an array, as raw_data or in the field that its type has."""
    tensor = TensorProto(data_type=TensorProto.DataType.Value(name), dims=[len(values)])
    if not typed:
        tensor.raw_data = values.tobytes()
    elif np.iscomplexobj(values):
        getattr(tensor, data_field).extend(values.view(values.real.dtype).tolist())
    else:
        getattr(tensor, data_field).extend((values * 1).tolist())  # booleans become 0 and 1
    return tensor


def type_model(name, tensor, opset, ir):
    """Returns one initializer of that type."""
    kind = helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
    model = net("g () => (float[5] y) { y = Identity(w) }", opset=opset, ir=ir, w=tensor)
    model.graph.output[0].type.CopyFrom(kind)
    return model


def wide_type(name, typed):
    """One type of 8 bits or more that has typed values."""
    opset, ir, data_field, values = WIDE_TYPES[name]
    return type_model(name, wide_tensor(name, data_field, values, typed), opset, ir)


def coded_type(name, typed):
    """One type that is stored as bit patterns."""
    opset, ir, bits, codes = CODED_TYPES[name]
    return type_model(name, coded_tensor(name, bits, codes, typed), opset, ir)


for _types, _make in ((WIDE_TYPES, wide_type), (CODED_TYPES, coded_type)):
    for _name in _types:
        ODD[f"type_{_name.lower()}_raw"] = lambda a=_name, f=_make: f(a, typed=False)
        ODD[f"type_{_name.lower()}_typed"] = lambda a=_name, f=_make: f(a, typed=True)
FAMILIES["type_*_raw"] = "an initializer of that type in raw_data: zero, one, smallest, largest, special"
FAMILIES["type_*_typed"] = "the same in the typed field (float_data, int32_data, ...)"


@odd
def type_string():
    """A string initializer: empty, ASCII, UTF-8 (raw_data is not allowed)."""
    tensor = TensorProto(data_type=TensorProto.STRING, dims=[3])
    tensor.string_data.extend([b"", b"plain", "größe".encode()])
    return type_model("STRING", tensor, 17, 8)


@odd
def tensor_zero_sized():
    """Tensors with a zero in their shape, and an input that has one too."""
    return net(
        "g (float[0,3] x) => (float[2,3] y) { y = Concat <axis = 0> (x, w, v) }", w=rand(0, 3), v=rand(2, 3)
    )


@odd
def tensor_scalar():
    """Rank 0 initializers, input and output."""
    return net("g (float x) => (float y) { t = Mul(x, a)  y = Add(t, b) }", a=np.float32(2), b=np.float32(0.5))


@odd
def tensor_no_data():
    """A zero-sized initializer with neither raw_data nor typed data."""
    empty = TensorProto(data_type=TensorProto.FLOAT, dims=[0])
    return net("g (float[3] x) => (float[3] y) { y = Concat <axis = 0> (x, w) }", w=empty)


@odd
def tensor_rank_9():
    """A weight of rank 9, all sizes 1 but the last."""
    return net("g (float[4] x) => (float[1,1,1,1,1,1,1,1,4] y) { y = Mul(x, w) }", w=rand(1, 1, 1, 1, 1, 1, 1, 1, 4))


# ---------------------------------------------------------------- odd: values in weights


def special_weights(*values):
    """A MatMul weight of 4x3 whose first column is random and the others take these values."""
    weight = rand(4, 3)
    weight[:, 1:] = np.resize(np.float32(values), (4, 2))
    return net("g (float[N,4] x) => (float[N,3] y) { y = MatMul(x, w) }", w=weight)


SPECIAL_VALUES = {
    "zero_channels": [0.0],
    "negative_zero": [-0.0],
    "nan": [np.nan, 1],
    "inf": [np.inf, 1, -np.inf],
    "denormal": [1e-40, -1e-45],
    "huge": [3.4e38, -3.4e38],
    "huge_and_tiny": [1e30, 1e-30],
    "equal": [0.25],
}
for _form, _values in SPECIAL_VALUES.items():
    ODD[f"weights_{_form}"] = lambda a=_values: special_weights(*a)
FAMILIES["weights_*"] = "a MatMul weight with two channels of such values"


# ---------------------------------------------------------------- odd: sharing and use


@odd
def weight_shared():
    """Two MatMul nodes use one weight."""
    return net("g (float[N,4] x) => (float[N,4] y) { t = MatMul(x, w)  y = MatMul(t, w) }", w=rand(4, 4))


@odd
def weight_shared_transposed():
    """One weight, once as it is and once with transB."""
    return net(
        "g (float[N,4] x) => (float[N,4] y) { t = Gemm(x, w)  y = Gemm <transB = 1> (t, w) }", w=rand(4, 3)
    )


@odd
def weight_equal_bytes():
    """Two initializers with the same bytes."""
    same = rand(4, 4)
    return net("g (float[N,4] x) => (float[N,4] y) { t = MatMul(x, a)  y = MatMul(t, b) }", a=same, b=same)


@odd
def weight_tied_embedding():
    """An embedding used by Gather and, transposed, by the output MatMul."""
    return net(
        """g (int64[N,S] ids) => (float[N,S,16] logits) {
            x = Gather(embedding, ids)
            h = Tanh(x)
            t = Transpose <perm = [1, 0]> (embedding)
            logits = MatMul(h, t)
        }""",
        embedding=rand(16, 4),
    )


@odd
def weight_is_input():
    """The weight is listed as a graph input too: a default that callers may replace."""
    return net("g (float[N,4] x, float[4,3] w) => (float[N,3] y) { y = MatMul(x, w) }", w=rand(4, 3))


@odd
def weight_only_input():
    """MatMul whose second factor is an input without a default."""
    return net("g (float[N,4] x, float[4,3] w) => (float[N,3] y) { y = MatMul(x, w) }")


@odd
def weight_is_output():
    """The weight is a graph output too."""
    return net("g (float[N,4] x) => (float[N,3] y, float[4,3] w) { y = MatMul(x, w) }", w=rand(4, 3))


@odd
def output_is_input():
    """A graph output that is a graph input."""
    return net("g (float[N,4] x) => (float[N,4] x, float[N,4] y) { y = Relu(x) }")


@odd
def output_used_inside():
    """A graph output that another node reads."""
    return net("g (float[N,4] x) => (float[N,3] t, float[N,3] y) { t = MatMul(x, w)  y = Relu(t) }", w=rand(4, 3))


@odd
def initializer_unused():
    """An initializer that nobody reads."""
    return net("g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }", unused=rand(4, 3))


@odd
def input_unused():
    """An input that nobody reads."""
    return net("g (float[N,4] x, float[2] unused) => (float[N,4] y) { y = Relu(x) }")


@odd
def node_unused():
    """Nodes whose results go nowhere."""
    return net("g (float[N,4] x) => (float[N,4] y) { a = MatMul(x, w)  b = Neg(a)  y = Relu(x) }", w=rand(4, 3))


@odd
def no_nodes():
    """No node: the output is the initializer."""
    return net("g () => (float[2] w) { }", w=rand(2))


# ---------------------------------------------------------------- odd: the way from weight to MatMul

WEIGHT_PATHS = {
    "identity": ("v = Identity(w)", (4, 3)),
    "transpose": ("v = Transpose <perm = [1, 0]> (w)", (3, 4)),
    "reshape": ("s = Constant <value_ints = [4, 3]> ()  v = Reshape(w, s)", (2, 6)),
    "cast": ("v = Cast <to = 1> (w)", (4, 3)),
    "squeeze": ("a = Constant <value_ints = [0]> ()  v = Squeeze(w, a)", (1, 4, 3)),
    "mul": ("s = Constant <value_float = 0.5> ()  v = Mul(w, s)", (4, 3)),
    "concat": ("v = Concat <axis = 1> (w, w, w)", (4, 1)),
    "slice": ("a = Constant <value_ints = [1]> ()  b = Constant <value_ints = [5]> ()  v = Slice(w, a, b)", (6, 3)),
    "two_steps": ("u = Identity(w)  v = Transpose <perm = [1, 0]> (u)", (3, 4)),
}


def weight_path(nodes, shape):
    """MatMul with a weight that goes through other nodes first (stored as fp16 before a Cast)."""
    weight = rand(*shape).astype(np.float16 if "Cast" in nodes else np.float32)
    return net(f"g (float[N,4] x) => (float[N,3] y) {{ {nodes}  y = MatMul(x, v) }}", w=weight)


for _form, (_nodes, _shape) in WEIGHT_PATHS.items():
    ODD[f"weight_through_{_form}"] = lambda a=(_nodes, _shape): weight_path(*a)
FAMILIES["weight_through_*"] = "that operator between the weight and its MatMul"


# ---------------------------------------------------------------- odd: operators with weights


def one_op(x, y, node, opset=17, ir=8, **weights):
    """A graph of one node from x to y."""
    return net(f"g ({x} x) => ({y} y) {{ y = {node} }}", opset=opset, ir=ir, **weights)


OPERATORS = {
    "gemm_trans_a": ("float[4,N]", "float[N,3]", "Gemm <transA = 1> (x, w, b)", {"w": (4, 3), "b": (3,)}),
    "gemm_trans_b": ("float[N,4]", "float[N,3]", "Gemm <transB = 1> (x, w, b)", {"w": (3, 4), "b": (3,)}),
    "gemm_alpha_beta": ("float[N,4]", "float[N,3]", "Gemm <alpha = 0.5, beta = 2.0> (x, w, b)", {"w": (4, 3), "b": (3,)}),
    "gemm_no_bias": ("float[N,4]", "float[N,3]", "Gemm (x, w)", {"w": (4, 3)}),
    "gemm_scalar_bias": ("float[N,4]", "float[N,3]", "Gemm (x, w, b)", {"w": (4, 3), "b": ()}),
    "gemm_full_bias": ("float[2,4]", "float[2,3]", "Gemm (x, w, b)", {"w": (4, 3), "b": (2, 3)}),
    "gemm_weight_left": ("float[4,N]", "float[3,N]", "Gemm <transA = 1> (w, x)", {"w": (4, 3)}),
    "matmul_weight_1d": ("float[N,4]", "float[N]", "MatMul (x, w)", {"w": (4,)}),
    "matmul_weight_3d": ("float[2,N,4]", "float[2,N,3]", "MatMul (x, w)", {"w": (2, 4, 3)}),
    "matmul_weight_broadcast": ("float[N,4]", "float[2,N,3]", "MatMul (x, w)", {"w": (2, 4, 3)}),
    "matmul_weight_left": ("float[4,N]", "float[3,N]", "MatMul (w, x)", {"w": (3, 4)}),
    "matmul_input_1d": ("float[4]", "float[3]", "MatMul (x, w)", {"w": (4, 3)}),
    "einsum_weight": ("float[N,4]", "float[N,3]", 'Einsum <equation = "nk,km->nm"> (x, w)', {"w": (4, 3)}),
    "conv_1d": ("float[N,3,L]", "float[N,4,M]", "Conv <kernel_shape = [3]> (x, w, b)", {"w": (4, 3, 3), "b": (4,)}),
    "conv_3d": ("float[N,2,D,H,W]", "float[N,4,E,I,X]", "Conv (x, w)", {"w": (4, 2, 2, 2, 2)}),
    "conv_grouped": ("float[N,4,H,W]", "float[N,6,I,X]", "Conv <group = 2> (x, w)", {"w": (6, 2, 3, 3)}),
    "conv_depthwise": ("float[N,4,H,W]", "float[N,4,I,X]", "Conv <group = 4, pads = [1, 1, 1, 1]> (x, w)", {"w": (4, 1, 3, 3)}),
    "conv_depthwise_multiplier": ("float[N,2,H,W]", "float[N,6,I,X]", "Conv <group = 2> (x, w)", {"w": (6, 1, 3, 3)}),
    "conv_pointwise": ("float[N,4,H,W]", "float[N,6,H,W]", "Conv (x, w, b)", {"w": (6, 4, 1, 1), "b": (6,)}),
    "conv_same_upper": ("float[N,2,7,7]", "float[N,4,4,4]", 'Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (x, w)', {"w": (4, 2, 3, 3)}),
    "conv_pads_uneven": ("float[N,2,H,W]", "float[N,4,I,X]", "Conv <pads = [0, 1, 2, 3], dilations = [2, 1]> (x, w)", {"w": (4, 2, 3, 3)}),
    "conv_transpose": ("float[N,3,H,W]", "float[N,4,I,X]", "ConvTranspose <strides = [2, 2], output_padding = [1, 0]> (x, w, b)", {"w": (3, 4, 3, 3), "b": (4,)}),
    "conv_transpose_grouped": ("float[N,4,H,W]", "float[N,6,I,X]", "ConvTranspose <group = 2> (x, w)", {"w": (4, 3, 2, 2)}),
    "lstm": ("float[T,N,3]", "float[T,1,N,2]", "LSTM <hidden_size = 2> (x, w, r, b)", {"w": (1, 8, 3), "r": (1, 8, 2), "b": (1, 16)}),
    "lstm_bidirectional_peephole": ("float[T,N,3]", "float[T,2,N,2]", 'LSTM <hidden_size = 2, direction = "bidirectional"> (x, w, r, b, "", "", "", p)', {"w": (2, 8, 3), "r": (2, 8, 2), "b": (2, 16), "p": (2, 6)}),
    "gru": ("float[T,N,3]", "float[T,1,N,2]", "GRU <hidden_size = 2> (x, w, r, b)", {"w": (1, 6, 3), "r": (1, 6, 2), "b": (1, 12)}),
    "gru_linear_before_reset": ("float[T,N,3]", "float[T,1,N,2]", "GRU <hidden_size = 2, linear_before_reset = 1> (x, w, r)", {"w": (1, 6, 3), "r": (1, 6, 2)}),
    "rnn_reverse": ("float[T,N,3]", "float[T,1,N,2]", 'RNN <hidden_size = 2, direction = "reverse", activations = ["Relu"]> (x, w, r)', {"w": (1, 2, 3), "r": (1, 2, 2)}),
    "gather_axis_0": ("int64[N,S]", "float[N,S,4]", "Gather (w, x)", {"w": (16, 4)}),
    "gather_axis_1": ("int64[N]", "float[4,N]", "Gather <axis = 1> (w, x)", {"w": (4, 16)}),
    "gather_int32_ids": ("int32[N]", "float[N,4]", "Gather (w, x)", {"w": (16, 4)}),
    "batchnorm": ("float[N,3,H,W]", "float[N,3,H,W]", "BatchNormalization <epsilon = 0.001> (x, s, b, m, v)", {"s": (3,), "b": (3,), "m": (3,), "v": 3}),
    "layernorm": ("float[N,4]", "float[N,4]", "LayerNormalization (x, s, b)", {"s": (4,), "b": (4,)}),
    "instancenorm": ("float[N,3,H,W]", "float[N,3,H,W]", "InstanceNormalization (x, s, b)", {"s": (3,), "b": (3,)}),
    "prelu": ("float[N,3,H,W]", "float[N,3,H,W]", "PRelu (x, s)", {"s": (3, 1, 1)}),
}


def operator(x, y, node, shapes):
    """One operator; an int instead of a shape asks for that many positive numbers (a variance)."""
    arrays = {n: abs(rand(s)) + 1 if isinstance(s, int) else rand(*s) for n, s in shapes.items()}
    return one_op(x, y, node, **{n: np.float32(a) for n, a in arrays.items()})


for _name, _case in OPERATORS.items():
    ODD[_name] = lambda a=_case: operator(*a)
    FAMILIES[_name] = f"`{_case[2]}`"


@odd
def conv_computed_weight():
    """The weight of a Conv is computed from an input."""
    return net(
        """g (float[N,2,H,W] x, float[18] k) => (float[N,1,I,X] y) {
            s = Constant <value_ints = [1, 2, 3, 3]> ()
            w = Reshape(k, s)
            y = Conv(x, w)
        }"""
    )


@odd
def conv_batchnorm_shared():
    """Conv whose result goes to BatchNormalization and elsewhere: must not be folded."""
    return net(
        """g (float[N,2,H,W] x) => (float[N,3,H,W] y, float[N,3,H,W] z) {
            t = Conv(x, w)
            y = BatchNormalization(t, s, b, m, v)
            z = Relu(t)
        }""",
        w=rand(3, 2, 1, 1), s=rand(3), b=rand(3), m=rand(3), v=abs(rand(3)) + 1,
    )


@odd
def batchnorm_training_mode():
    """BatchNormalization in training mode, with three outputs."""
    return net(
        """g (float[N,3,H,W] x) => (float[N,3,H,W] y, float[3] mean, float[3] var) {
            y, mean, var = BatchNormalization <training_mode = 1> (x, s, b, m, v)
        }""",
        s=rand(3), b=rand(3), m=rand(3), v=abs(rand(3)) + 1,
    )


@odd
def dropout_training_mode():
    """Dropout with training_mode true and a mask output."""
    return net(
        "g (float[N,4] x) => (float[N,4] y, bool[N,4] mask) { y, mask = Dropout <seed = 1> (x, ratio, training) }",
        ratio=np.float32(0.5), training=np.array(True),
    )


@odd
def random_ops():
    """Operators whose result differs from run to run."""
    return net(
        """g (float[2,3] x) => (float[2,3] y) {
            a = RandomNormalLike(x)
            b = RandomUniform <shape = [2, 3], seed = 1.0> ()
            c = Add(a, b)
            y = Add(x, c)
        }"""
    )


# ---------------------------------------------------------------- odd: already quantized


@odd
def qdq_per_tensor():
    """QDQ: uint8 activations, int8 weight, one scale each."""
    return net(
        """g (float[N,4] x) => (float[N,3] y) {
            xq = QuantizeLinear(x, xs, xz)
            xd = DequantizeLinear(xq, xs, xz)
            wd = DequantizeLinear(w, ws, wz)
            t = MatMul(xd, wd)
            tq = QuantizeLinear(t, xs, xz)
            y = DequantizeLinear(tq, xs, xz)
        }""",
        w=np.int8(rand(4, 3) * 64), ws=np.float32(1 / 64), wz=np.int8(0), xs=np.float32(1 / 32), xz=np.uint8(128),
    )


@odd
def qdq_per_channel():
    """QDQ Conv: int8 weight with a scale per output channel, int32 bias."""
    return net(
        """g (float[N,2,H,W] x) => (float[N,4,H,W] y) {
            xq = QuantizeLinear(x, xs, xz)
            xd = DequantizeLinear(xq, xs, xz)
            wd = DequantizeLinear <axis = 0> (w, ws, wz)
            bd = DequantizeLinear <axis = 0> (b, bs, bz)
            t = Conv <pads = [1, 1, 1, 1]> (xd, wd, bd)
            tq = QuantizeLinear(t, xs, xz)
            y = DequantizeLinear(tq, xs, xz)
        }""",
        w=np.int8(rand(4, 2, 3, 3) * 64), ws=np.float32([1, 2, 3, 4]) / 256, wz=np.zeros(4, np.int8),
        b=np.int32(rand(4) * 1000), bs=np.float32([1, 2, 3, 4]) / 8192, bz=np.zeros(4, np.int32),
        xs=np.float32(1 / 32), xz=np.uint8(128),
    )


@odd
def qdq_weight_only():
    """Only the weight is quantized; int8 with a zero point that is left out."""
    return net(
        "g (float[N,4] x) => (float[N,3] y) { wd = DequantizeLinear <axis = 1> (w, ws)  y = MatMul(x, wd) }",
        w=np.int8(rand(4, 3) * 64), ws=np.float32([1, 2, 3]) / 64,
    )


@odd
def qdq_int4_blocks():
    """Weight only, int4 in blocks of 2 rows with scales and zero points per block (opset 21)."""
    codes = np.random.randint(0, 16, 12).tolist()
    weight, zero = coded_tensor("INT4", 4, codes, False), coded_tensor("INT4", 4, [0, 1, 15, 0, 2, 14], False)
    weight.dims[:], zero.dims[:] = [4, 3], [2, 3]
    return net(
        """g (float[N,4] x) => (float[N,3] y) {
            wd = DequantizeLinear <axis = 0, block_size = 2> (w, ws, wz)
            y = MatMul(x, wd)
        }""",
        opset=21, ir=10, w=weight, ws=abs(rand(2, 3)) + np.float32(0.125), wz=zero,
    )


@odd
def qdq_float8():
    """Activations through FLOAT8E4M3FN (opset 19)."""
    return net(
        """g (float[N,4] x) => (float[N,4] y) {
            q = QuantizeLinear(x, s, z)
            y = DequantizeLinear(q, s, z)
        }""",
        opset=19, ir=9, s=np.float32(0.5), z=coded_scalar("FLOAT8E4M3FN"),
    )


def coded_scalar(name):
    """A zero of rank 0."""
    tensor = coded_tensor(name, CODED_TYPES[name][2], [0], typed=False)
    tensor.ClearField("dims")
    return tensor


@odd
def qdq_uint16():
    """Activations through UINT16 (opset 21)."""
    return net(
        "g (float[N,4] x) => (float[N,4] y) { q = QuantizeLinear(x, s, z)  y = DequantizeLinear(q, s, z) }",
        opset=21, ir=10, s=np.float32(1 / 1024), z=np.uint16(32768),
    )


@odd
def qoperator_conv_matmul():
    """QLinearConv (per channel) and QLinearMatMul."""
    return net(
        """g (float[N,2,1,1] x) => (float[N,3] y) {
            q = QuantizeLinear(x, s, z)
            c = QLinearConv(q, s, z, w, ws, wz, s, z, b)
            f = Flatten(c)
            m = QLinearMatMul(f, s, z, v, vs, vz, s, z)
            y = DequantizeLinear(m, s, z)
        }""",
        w=np.int8(rand(4, 2, 1, 1) * 64), ws=np.float32([1, 2, 3, 4]) / 256, wz=np.zeros(4, np.int8), b=np.int32([1, -2, 3, -4]),
        v=np.uint8(rand(4, 3) * 32 + 128), vs=np.float32(1 / 32), vz=np.uint8(128), s=np.float32(1 / 32), z=np.uint8(128),
    )


@odd
def dynamic_quantization():
    """DynamicQuantizeLinear and MatMulInteger."""
    return net(
        """g (float[N,4] x) => (float[N,3] y) {
            q, s, z = DynamicQuantizeLinear(x)
            i = MatMulInteger(q, w, z, wz)
            f = Cast <to = 1> (i)
            t = Mul(f, s)
            y = Mul(t, ws)
        }""",
        w=np.int8(rand(4, 3) * 64), wz=np.int8(0), ws=np.float32(1 / 64),
    )


@odd
def conv_integer():
    """ConvInteger with a zero point of the weight."""
    return one_op(
        "uint8[N,2,H,W]", "int32[N,4,I,X]", "ConvInteger(x, w, z, z)", w=np.uint8(rand(4, 2, 3, 3) * 32 + 128), z=np.uint8(128)
    )


@odd
def quantization_annotation():
    """The graph's quantization_annotation names scale and zero point of the weight."""
    model = linear()
    add_weight(model, "w_scale", np.float32(1 / 64))
    add_weight(model, "w_zero", np.int8(0))
    note = model.graph.quantization_annotation.add(tensor_name="w")
    note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="w_scale")
    note.quant_parameter_tensor_names.add(key="ZERO_POINT_TENSOR", value="w_zero")
    return model


# ---------------------------------------------------------------- odd: domains and functions


@odd
def domain_ai_onnx():
    """The default domain spelled out as ai.onnx, in the nodes and in the opset import."""
    model = linear()
    model.opset_import[0].domain = "ai.onnx"
    model.graph.node[0].domain = "ai.onnx"
    return model


@odd
def domain_ai_onnx_nodes():
    """Nodes say ai.onnx, the opset import says the empty domain."""
    model = linear()
    model.graph.node[0].domain = "ai.onnx"
    return model


@odd
def domain_import_unused():
    """An opset import that no node needs."""
    return linear(imports=[("ai.onnx.ml", 3), ("com.example.unused", 7)])


@odd
def domain_import_twice():
    """The default domain is imported twice, with the same version."""
    return linear(imports=[("", 17)])


@odd
def domain_custom_op():
    """An operator of an unknown domain between two MatMul nodes."""
    return net(
        """g (float[N,4] x) => (float[N,3] y) {
            a = MatMul(x, w1)
            b = com.example.Mystery <level = 3, mode = "fast"> (a)
            y = MatMul(b, w2)
        }""",
        imports=[("com.example", 1)], w1=rand(4, 4), w2=rand(4, 3),
    )


@odd
def ms_fused_conv():
    """com.microsoft FusedConv with Relu."""
    return net(
        'g (float[N,2,H,W] x) => (float[N,4,I,X] y) { y = com.microsoft.FusedConv <activation = "Relu"> (x, w, b) }',
        imports=[("com.microsoft", 1)], w=rand(4, 2, 3, 3), b=rand(4),
    )


@odd
def ms_skip_layer_norm():
    """com.microsoft SkipLayerNormalization; its second and third outputs are left out."""
    return net(
        """g (float[N,S,4] x, float[N,S,4] skip) => (float[N,S,4] y, float[N,S,4] sum) {
            y, "", "", sum = com.microsoft.SkipLayerNormalization <epsilon = 0.00001> (x, skip, gamma, beta, bias)
        }""",
        imports=[("com.microsoft", 1)], gamma=rand(4), beta=rand(4), bias=rand(4),
    )


@odd
def ms_matmul_nbits():
    """com.microsoft MatMulNBits: 4 bits, blocks of 16, packed zero points."""
    return net(
        """g (float[M,32] x) => (float[M,3] y) {
            y = com.microsoft.MatMulNBits <K = 32, N = 3, bits = 4, block_size = 16> (x, w, s, z)
        }""",
        imports=[("com.microsoft", 1)],
        w=np.uint8(np.random.randint(0, 256, (3, 2, 8))), s=abs(rand(6)) + np.float32(0.125), z=np.uint8([0x88, 0x78, 0x87]),
    )


@odd
def ml_classifier():
    """ai.onnx.ml: a linear classifier and ZipMap, output a sequence of maps."""
    return net(
        """g (float[N,2] x) => (int64[N] label, seq(map(int64, float)) scores) {
            label, p = ai.onnx.ml.LinearClassifier
                <coefficients = [1.0, -1.0, -1.0, 1.0], intercepts = [0.5, -0.5], classlabels_ints = [0, 1], multi_class = 0, post_transform = "SOFTMAX"> (x)
            scores = ai.onnx.ml.ZipMap <classlabels_int64s = [0, 1]> (p)
        }""",
        imports=[("ai.onnx.ml", 1)],
    )


LOCAL = [("local", 1)]


@odd
def function_attributes():
    """A function with a plain attribute, one with a default, and references to both."""
    return net(
        """g (float[N,4] x) => (float[N,4] y) { y = local.act <alpha = 0.25> (x) }
        <domain: "local", opset_import: ["": 17]>
        act <alpha, beta: float = 0.5> (x) => (y) {
            t = Elu <alpha: float = @alpha> (x)
            y = LeakyRelu <alpha: float = @beta> (t)
        }""",
        imports=LOCAL,
    )


@odd
def function_weight():
    """A function with a weight inside (a Constant node) and one handed in; called twice."""
    return net(
        """g (float[N,2] x) => (float[N,2] y) { t = local.block(x, w)  y = local.block(t, w) }
        <domain: "local", opset_import: ["": 17]>
        block (x, w) => (y) {
            c = Constant <value = float[2,2] {1, 2, 3, 4}> ()
            t = MatMul(x, c)
            y = MatMul(t, w)
        }""",
        imports=LOCAL, w=rand(2, 2),
    )


@odd
def function_overload():
    """Two functions of one name, told apart by overload (IR 10)."""
    return net(
        """g (float[N,4] x) => (float[N,4] y) { t = local.act:one (x)  y = local.act:two (t) }
        <domain: "local", overload: "one", opset_import: ["": 17]> act (x) => (y) { y = Relu(x) }
        <domain: "local", overload: "two", opset_import: ["": 17]> act (x) => (y) { y = Neg(x) }""",
        ir=10, imports=LOCAL,
    )


@odd
def function_nested():
    """A function that calls a function."""
    return net(
        """g (float[N,4] x) => (float[N,4] y) { y = local.outer(x) }
        <domain: "local", opset_import: ["": 17]> inner (x) => (y) { y = Relu(x) }
        <domain: "local", opset_import: ["": 17, "local": 1]> outer (x) => (y) { t = local.inner(x)  y = Neg(t) }""",
        imports=LOCAL,
    )


@odd
def function_unused():
    """A function that nobody calls."""
    return net(
        """g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }
        <domain: "local", opset_import: ["": 17]> idle (x) => (y) { y = Neg(x) }""",
        imports=LOCAL,
    )


@odd
def function_in_subgraph():
    """A function called inside an If branch; the function holds an If too."""
    return net(
        """g (float[N,2] x, bool cond) => (float[N,2] y) {
            y = If (cond) <
                then_branch = yes () => (float[N,2] a) { a = local.pick(x, cond) },
                else_branch = no () => (float[N,2] b) { b = Neg(x) }>
        }
        <domain: "local", opset_import: ["": 17]>
        pick (x, c) => (y) {
            y = If (c) <
                then_branch = yes2 () => (float[N,2] a2) { a2 = Relu(x) },
                else_branch = no2 () => (float[N,2] b2) { b2 = Abs(x) }>
        }""",
        imports=LOCAL,
    )


@odd
def function_other_opset():
    """A function imports opset 13 and the model 17; Neg is the same in both."""
    return net(
        """g (float[N,4] x) => (float[N,4] y) { y = local.act(x) }
        <domain: "local", opset_import: ["": 13]> act (x) => (y) { y = Neg(x) }""",
        imports=LOCAL,
    )


@odd
def function_shadows_op():
    """A function with the name of a standard operator, in its own domain."""
    return net(
        """g (float[N,4] x) => (float[N,4] y) { t = local.Relu(x)  y = Relu(t) }
        <domain: "local", opset_import: ["": 17]> Relu (x) => (y) { y = Neg(x) }""",
        imports=LOCAL,
    )


# ---------------------------------------------------------------- odd: sparse tensors, kinds of values


def sparse_matmul(indices):
    """MatMul with a sparse weight of 4x3."""
    model = net("g (float[N,4] x) => (float[N,3] y) { y = MatMul(x, w) }")
    model.graph.sparse_initializer.add().CopyFrom(sparse("w", [1, 2, 3], indices, [4, 3]))
    return model


@odd
def sparse_linear():
    """A sparse initializer with linear indices."""
    return sparse_matmul([1, 5, 9])


@odd
def sparse_2d():
    """A sparse initializer with indices of two columns."""
    return sparse_matmul([[0, 1], [1, 2], [3, 0]])


@odd
def sparse_empty():
    """A sparse initializer without any value."""
    model = sparse_linear()
    model.graph.sparse_initializer[0].CopyFrom(sparse("w", np.zeros(0), np.zeros(0), [4, 3]))
    return model


@odd
def value_sequence():
    """A sequence of tensors comes in, one with an element more goes out."""
    return net("g (seq(float[N]) s, float[N] x) => (seq(float[N]) y) { y = SequenceInsert(s, x) }")


@odd
def value_optional():
    """Optional tensor in, has-element and element out."""
    return net(
        "g (optional(float[N]) o) => (bool has, float[N] y) { has = OptionalHasElement(o)  y = OptionalGetElement(o) }",
        opset=18,
    )


@odd
def value_optional_sequence():
    """Optional sequence of tensors, in and out."""
    return net("g (optional(seq(float[N])) o) => (optional(seq(float[N])) y) { y = Identity(o) }", opset=18)


@odd
def value_map():
    """A map from int64 to float comes in."""
    return net(
        "g (map(int64, float) m) => (float[1,3] y) { y = ai.onnx.ml.DictVectorizer <int64_vocabulary = [10, 20, 30]> (m) }",
        imports=[("ai.onnx.ml", 1)],
    )


@odd
def value_sparse():
    """A sparse tensor comes in (com.microsoft SparseToDenseMatMul)."""
    return net(
        "g (sparse_tensor(float[2,4]) x) => (float[2,3] y) { y = com.microsoft.SparseToDenseMatMul(x, w) }",
        imports=[("com.microsoft", 1)], w=rand(4, 3),
    )


@odd
def value_opaque():
    """An input of an opaque type, for a custom operator."""
    model = domain_custom_op()
    opaque = model.graph.input.add(name="context").type.opaque_type
    opaque.domain, opaque.name = "com.example", "Context"
    return model


# ---------------------------------------------------------------- odd: everything beside the computation


@odd
def metadata_everywhere():
    """metadata_props in model, graph, node, tensor, value and function (IR 10)."""
    model = function_attributes()
    model.ir_version = 10
    add_weight(model, "unused", rand(2))
    graph, function = model.graph, model.functions[0]
    function.value_info.add().CopyFrom(helper.make_tensor_value_info("t", TensorProto.FLOAT, ["N", 4]))
    for level, message in {
        "model": model, "graph": graph, "node": graph.node[0], "tensor": graph.initializer[0], "input": graph.input[0],
        "output": graph.output[0], "function": function, "function node": function.node[0], "function value": function.value_info[0],
    }.items():
        props(message, level=level, empty="", utf8="größe")
    return model


@odd
def doc_strings_everywhere():
    """doc_string in model, graph, node, attribute, tensor, value and function."""
    model = function_attributes()
    add_weight(model, "unused", rand(2))
    graph, function = model.graph, model.functions[0]
    for message in (model, graph, graph.node[0], graph.node[0].attribute[0], graph.initializer[0], graph.input[0],
                    graph.output[0], function, function.node[0]):
        message.doc_string = f"About this {type(message).__name__}.\nSecond line: größe."
    return model


@odd
def model_fields():
    """producer, version, domain and model_version are all set."""
    model = linear()
    model.producer_version, model.domain, model.model_version = "1.2.3+local", "org.example.models", 42
    return model


@odd
def value_info_full():
    """Types of all values between, and of a name that does not exist."""
    model = two_weights()
    for name, shape in (("t", ["N", 4]), ("w1", [4, 4]), ("gone", [7])):
        model.graph.value_info.add().CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return model


@odd
def training_info():
    """Initialization and algorithm graphs with their bindings."""
    model = linear()
    step = net("step (float[4,3] g) => (float[4,3] w_new) { w_new = Sub(w, g) }").graph
    start = net("start () => (float[4,3] w_0) { w_0 = RandomNormal <shape = [4, 3], seed = 1.0> () }").graph
    info = model.training_info.add(algorithm=step, initialization=start)
    info.update_binding.add(key="w", value="w_new")
    info.initialization_binding.add(key="w", value="w_0")
    return model


@odd
def unknown_fields():
    """Fields that no schema knows, of every wire type, at model, graph, node, tensor and attribute."""
    model = net("g (float[N,4] x) => (float[N,3] y) { y = Gemm <alpha = 0.5> (x, w) }", w=rand(4, 3))
    graph = model.graph
    for message in (model, graph, graph.node[0], graph.node[0].attribute[0], graph.initializer[0], graph.input[0]):
        message.MergeFromString(UNKNOWN_FIELDS)
    return model


@odd
def device_configurations():
    """Two devices, a node sharded over them along the columns of the weight (IR 11)."""
    model = linear(ir=11)
    model.configuration.add(name="two", num_devices=2, device=["cpu:0", "cpu:1"])
    config = model.graph.node[0].device_configurations.add(configuration_id="two", pipeline_stage=0)
    spec = config.sharding_spec.add(tensor_name="w", device=[0, 1])
    spec.index_to_device_group_map.add(key=0, value=[0])
    spec.sharded_dim.add(axis=1).simple_sharding.add(dim_value=3, num_shards=2)
    return model


@odd
def dims_symbolic():
    """Symbolic sizes, some shared by inputs, one an expression, one unnamed."""
    model = net(
        """g (float[batch,seq,4] x, float[batch,past,4] p) => (float[batch,total,4] y) {
            y = Concat <axis = 1> (p, x)
        }"""
    )
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "past + seq"
    model.graph.input[1].type.tensor_type.shape.dim[2].Clear()
    return model


@odd
def dims_denotation():
    """Denotations of types and of dimensions."""
    model = conv_computed_weight()
    model.graph.input[0].type.denotation = "IMAGE"
    for dim, meaning in zip(model.graph.input[0].type.tensor_type.shape.dim, ("DATA_BATCH", "DATA_CHANNEL", "DATA_FEATURE", "DATA_FEATURE")):
        dim.denotation = meaning
    return model


@odd
def dims_no_shape():
    """Input and output without a shape: unknown rank."""
    model = linear()
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.ClearField("shape")
    return model


@odd
def dims_output_untyped():
    """Types of the values between are absent and the output's sizes are all unknown."""
    model = two_weights()
    for dim in model.graph.output[0].type.tensor_type.shape.dim:
        dim.Clear()
    return model


@odd
def shape_arithmetic():
    """Shape, Gather, Mul, Concat, Reshape with a symbolic batch and a -1."""
    return net(
        """g (float[N,2,6] x) => (float[M,3] y) {
            s = Shape(x)
            n = Gather(s, zero)
            n2 = Mul(n, two)
            f = Div(n2, two)
            u = Unsqueeze(f, axes)
            t = Concat <axis = 0> (u, rest)
            r = Reshape(x, t)
            y = MatMul(r, w)
        }""",
        zero=np.int64(0), two=np.int64(2), axes=np.int64([0]), rest=np.int64([-1]), w=rand(12, 3),
    )


@odd
def reshape_zero_and_minus_one():
    """Reshape to [0, -1]: copy and infer."""
    return net("g (float[N,2,6] x) => (float[N,12] y) { y = Reshape(x, s) }", s=np.int64([0, -1]))


@odd
def graph_attribute_lists():
    """A custom node with attributes of every list type: tensors, graphs, sparse_tensors, type_protos."""
    model = domain_custom_op()
    graphs = [net(f"inner{i} () => (float[2] g{i}) {{ g{i} = Identity(v{i}) }}", **{f"v{i}": rand(2)}).graph for i in range(3)]
    kind = helper.make_tensor_type_proto(TensorProto.FLOAT, ["N"])
    tensor = numpy_helper.from_array(rand(2), "t")
    entries = sparse("s", [1], [0], [2])
    for name, value in {
        "one_tensor": tensor, "one_graph": graphs[0], "one_sparse": entries, "one_type": kind, "many_tensors": [tensor] * 2,
        "many_graphs": graphs[1:], "many_sparse": [entries] * 2, "many_types": [kind] * 2, "one_string": "text", "many_strings": ["a", ""],
    }.items():
        model.graph.node[1].attribute.append(helper.make_attribute(name, value))
    return model


# ---------------------------------------------------------------- odd: one protobuf, other bytes


@odd
def wire_fields_reversed():
    """All fields of model, graph and weight in descending order: the graph before the version."""
    graph = b"".join(reversed(wire_linear(b"".join(reversed(wire_weight())))))
    return field(8, field(1, b"") + field(2, 17)) + field(7, graph) + field(1, 8)


@odd
def wire_graph_in_two_parts():
    """The graph field comes twice: protobuf merges them."""
    parts = wire_linear(b"".join(wire_weight()))
    return wire_model(b"".join(parts[:2])) + field(7, b"".join(parts[2:]))


@odd
def wire_dims_packed():
    """dims of the weight as one packed field."""
    return wire_model(b"".join(wire_linear(b"".join([field(1, varint(4) + varint(3)), *wire_weight()[1:]]))))


@odd
def wire_floats_unpacked():
    """float_data as twelve separate fixed32 fields."""
    floats = b"".join(varint(4 << 3 | 5) + rand(1).tobytes() for _ in range(12))
    return wire_model(b"".join(wire_linear(b"".join(wire_weight()[:3]) + floats)))


@odd
def wire_floats_in_chunks():
    """float_data as two packed chunks, the second one single."""
    chunks = field(4, rand(7).tobytes()) + field(4, rand(5).tobytes())
    return wire_model(b"".join(wire_linear(b"".join(wire_weight()[:3]) + chunks)))


@odd
def wire_raw_data_twice():
    """raw_data comes twice: the last one counts."""
    return wire_model(b"".join(wire_linear(b"".join([field(9, b"\xff" * 48), *wire_weight()]))))


@odd
def wire_long_varints():
    """Varints with more bytes than needed, in a tag, a length and a value."""
    graph = b"".join(wire_linear(b"".join(wire_weight())))
    tag_and_length = varint(7 << 3 | 2, width=3) + varint(len(graph), width=5)
    return varint(1 << 3) + varint(8, width=10) + tag_and_length + graph + field(8, field(1, b"") + field(2, 17))


@odd
def wire_empty_fields():
    """Fields that are present and empty: name, domain, doc_string, an unused data field."""
    parts = wire_linear(b"".join(wire_weight()) + field(4, b"") + field(12, b""))
    return wire_model(b"".join(parts) + field(10, b"")) + field(2, b"") + field(4, b"") + field(6, b"")


# ---------------------------------------------------------------- odd: one net at every opset


def opset_chain(opset):
    """Conv, BatchNormalization, Clip, MaxPool, Dropout, ReduceMean, Squeeze, Gemm, Softmax as of that opset."""
    ir = max(3, helper.find_min_ir_version_for([helper.make_opsetid("", opset)]))
    clip = "Clip(b, low, high)" if opset >= 11 else "Clip <min = 0.0, max = 6.0> (b)"
    dropout = "Dropout(p, ratio)" if opset >= 12 else "Dropout <ratio = 0.5> (p)"
    mean = "ReduceMean <keepdims = 1> (d, axes)" if opset >= 18 else "ReduceMean <keepdims = 1, axes = [2, 3]> (d)"
    squeeze = "Squeeze(m, axes)" if opset >= 13 else "Squeeze <axes = [2, 3]> (m)"
    weights = dict(w=rand(4, 1, 3, 3), wb=rand(4), s=rand(4), o=rand(4), mean=rand(4), var=abs(rand(4)) + 1, g=rand(3, 4), gb=rand(3))
    if opset >= 11:
        weights |= {"low": np.float32(0), "high": np.float32(6)}
    if opset >= 12:
        weights["ratio"] = np.float32(0.5)
    if opset >= 13:
        weights["axes"] = np.int64([2, 3])
    model = net(
        f"""g (float[N,1,8,8] x) => (float[N,3] y) {{
            c = Conv <pads = [1, 1, 1, 1]> (x, w, wb)
            b = BatchNormalization(c, s, o, mean, var)
            r = {clip}
            p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
            d = {dropout}
            m = {mean}
            f = {squeeze}
            z = Gemm <transB = 1> (f, g, gb)
            y = Softmax <axis = 1> (z)
        }}""",
        opset=opset, ir=ir, **weights,
    )
    return list_weights_as_inputs(model) if ir == 3 else model


def list_weights_as_inputs(model):
    """As IR 3 asks: every initializer is a graph input too."""
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return model


for _opset in range(7, onnx.defs.onnx_opset_version() + 1):
    ODD[f"opset_{_opset:02}"] = lambda a=_opset: opset_chain(a)
FAMILIES["opset_*"] = "the same small net, same weights, as each opset writes it"


# ---------------------------------------------------------------- bad: graphs


@bad
def cycle():
    """Two nodes that wait for each other."""
    return net("g (float[N,4] x) => (float[N,4] y) { a = Add(x, y)  y = Relu(a) }")


@bad
def unsorted_nodes():
    """A node before the one it reads from."""
    return net("g (float[N,4] x) => (float[N,3] y) { y = Relu(t)  t = MatMul(x, w) }", w=rand(4, 3))


@bad
def output_written_twice():
    """Two nodes write the same value."""
    return net("g (float[N,4] x) => (float[N,4] y) { y = Relu(x)  y = Neg(x) }")


@bad
def output_overwrites_input():
    """A node writes a graph input."""
    return net("g (float[N,4] x) => (float[N,4] x) { x = Relu(x) }")


@bad
def output_overwrites_weight():
    """A node writes an initializer."""
    return net("g (float[N,4] x) => (float[N,4] w) { w = Relu(x) }", w=rand(1, 4))


@bad
def output_listed_twice():
    """One value is listed twice as graph output."""
    return net("g (float[N,4] x) => (float[N,4] y, float[N,4] y) { y = Relu(x) }")


@bad
def input_listed_twice():
    """One name is listed twice as graph input."""
    return net("g (float[N,4] x, float[N,4] x) => (float[N,4] y) { y = Relu(x) }")


@bad
def initializer_twice():
    """Two initializers of one name, different values."""
    model = linear()
    add_weight(model, "w", rand(4, 3))
    return model


@bad
def initializer_unnamed():
    """An initializer without a name."""
    model = linear()
    add_weight(model, "", rand(2))
    return model


@bad
def input_missing():
    """A node reads a value that nobody writes."""
    return net("g (float[N,4] x) => (float[N,4] y) { y = Add(x, nowhere) }")


@bad
def output_missing():
    """A graph output that nobody writes."""
    return net("g (float[N,4] x) => (float[N,4] nowhere) { y = Relu(x) }")


@bad
def input_required_empty():
    """An empty name for an input that is required."""
    return net('g (float[N,4] x) => (float[N,4] y) { y = Add(x, "") }')


@bad
def input_too_many():
    """Relu with two inputs."""
    return net("g (float[N,4] x) => (float[N,4] y) { y = Relu(x, x) }")


@bad
def op_unknown():
    """An operator that the standard domain does not have."""
    return net("g (float[N,4] x) => (float[N,4] y) { y = NoSuchOp(x) }")


@bad
def op_too_new():
    """Gelu (opset 20) in a model of opset 17."""
    return net("g (float[N,4] x) => (float[N,4] y) { y = Gelu(x) }")


@bad
def op_deprecated():
    """Upsample, deprecated since opset 10."""
    return net("g (float[1,1,2,2] x) => (float[1,1,4,4] y) { y = Upsample(x, s) }", opset=10, ir=5, s=np.float32([1, 1, 2, 2]))


@bad
def op_type_empty():
    """A node without op_type."""
    model = linear()
    model.graph.node[0].op_type = ""
    return model


@bad
def attribute_unknown():
    """An attribute that the operator does not have."""
    return net("g (float[N,4] x) => (float[N,4] y) { y = Relu <alpha = 1.0> (x) }")


@bad
def attribute_wrong_type():
    """A float where an int belongs."""
    return net("g (float[N,4] x) => (float[N,4] y) { y = Softmax <axis = 1.0> (x) }")


@bad
def attribute_missing():
    """Concat without its axis."""
    return net("g (float[N,4] x) => (float[N,4] y) { y = Concat(x, x) }")


@bad
def attribute_twice():
    """The same attribute twice."""
    model = net("g (float[N,4] x) => (float[N,4] y) { y = Softmax <axis = 1> (x) }")
    model.graph.node[0].attribute.append(helper.make_attribute("axis", 0))
    return model


@bad
def attribute_untyped():
    """An attribute with type UNDEFINED (IR 2 and later need it)."""
    model = net("g (float[N,4] x) => (float[N,4] y) { y = Softmax <axis = 1> (x) }")
    model.graph.node[0].attribute[0].ClearField("type")
    return model


@bad
def attribute_two_values():
    """An attribute that holds an int and a float."""
    model = net("g (float[N,4] x) => (float[N,4] y) { y = Softmax <axis = 1> (x) }")
    model.graph.node[0].attribute[0].f = 1.0
    return model


@bad
def attribute_reference_outside_function():
    """ref_attr_name in the main graph."""
    return net("g (float[N,4] x) => (float[N,4] y) { y = Elu <alpha: float = @alpha> (x) }")


@bad
def branch_shadows_name():
    """An If branch writes a name that the outer graph has."""
    return net(
        """g (float[N,2] x, bool cond) => (float[N,2] y) {
            t = Relu(x)
            y = If (cond) <
                then_branch = yes () => (float[N,2] t) { t = Neg(x) },
                else_branch = no () => (float[N,2] b) { b = Neg(x) }>
        }"""
    )


@bad
def branch_missing():
    """If without else_branch."""
    return net(
        """g (float[N,2] x, bool cond) => (float[N,2] y) {
            y = If (cond) <then_branch = yes () => (float[N,2] a) { a = Neg(x) }>
        }"""
    )


@bad
def branch_value_used_outside():
    """The outer graph reads a value from inside an If branch."""
    return net(
        """g (float[N,2] x, bool cond) => (float[N,2] z) {
            y = If (cond) <
                then_branch = yes () => (float[N,2] a) { a = Neg(x) },
                else_branch = no () => (float[N,2] b) { b = Abs(x) }>
            z = Add(y, a)
        }"""
    )


@bad
def branch_output_counts_differ():
    """One If branch has two outputs, the other one."""
    return net(
        """g (float[N,2] x, bool cond) => (float[N,2] y) {
            y = If (cond) <
                then_branch = yes () => (float[N,2] a, float[N,2] a2) { a = Neg(x)  a2 = Abs(x) },
                else_branch = no () => (float[N,2] b) { b = Abs(x) }>
        }"""
    )


@bad
def nested_200():
    """If nested 200 levels deep, past protobuf's limit of 100 messages."""
    node = helper.make_node("Neg", ["x"], ["y"]).SerializeToString()
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2]).SerializeToString()
    leaf = field(1, node) + field(2, b"leaf") + field(12, output)
    graph = leaf
    for level in range(200):
        branches = ((b"then_branch", graph), (b"else_branch", leaf))
        attributes = [field(1, name) + field(6, body) + field(20, onnx.AttributeProto.GRAPH) for name, body in branches]
        node = field(1, b"cond") + field(2, b"y") + field(4, b"If") + b"".join(field(5, a) for a in attributes)
        graph = field(1, node) + field(2, b"level%d" % level) + field(12, output)
    inputs = (("x", TensorProto.FLOAT, ["N", 2]), ("cond", TensorProto.BOOL, []))
    return wire_model(graph + b"".join(field(11, helper.make_tensor_value_info(*i).SerializeToString()) for i in inputs))


@bad
def graph_name_empty():
    """The graph has no name."""
    model = linear()
    model.graph.name = ""
    return model


@bad
def graph_without_outputs():
    """A graph without outputs."""
    model = linear()
    model.graph.ClearField("output")
    return model


@bad
def graph_absent():
    """A model without a graph."""
    model = linear()
    model.ClearField("graph")
    return model


@bad
def input_without_type():
    """A graph input without a type."""
    model = linear()
    model.graph.input[0].ClearField("type")
    return model


@bad
def input_type_undefined():
    """A graph input of element type 0."""
    model = linear()
    model.graph.input[0].type.tensor_type.elem_type = 0
    return model


@bad
def input_size_negative():
    """A graph input with a size of -1."""
    model = linear()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    return model


@bad
def input_size_conflict():
    """The input's last size is not the weight's first."""
    return net("g (float[N,5] x) => (float[N,3] y) { y = MatMul(x, w) }", w=rand(4, 3))


@bad
def output_type_conflict():
    """The output is declared int64 and computed as float."""
    return net("g (float[N,4] x) => (int64[N,4] y) { y = Relu(x) }")


@bad
def input_default_shape_conflict():
    """A graph input and its initializer disagree about the shape."""
    return net("g (float[N,4] x, float[4,5] w) => (float[N,3] y) { y = MatMul(x, w) }", w=rand(4, 3))


# ---------------------------------------------------------------- bad: model header and functions


@bad
def ir_version_0():
    """IR version 0."""
    return linear(ir=0)


@bad
def ir_version_absent():
    """No IR version."""
    model = linear()
    model.ClearField("ir_version")
    return model


@bad
def ir_version_negative():
    """IR version -1."""
    model = linear()
    model.ir_version = -1
    return model


@bad
def ir_version_future():
    """IR version 99."""
    return linear(ir=99)


@bad
def ir_version_3_weight_not_input():
    """IR 3 with an initializer that is not a graph input."""
    return linear(ir=3, opset=8)


@bad
def opset_absent():
    """No opset import at all."""
    model = linear()
    model.ClearField("opset_import")
    return model


@bad
def opset_future():
    """Opset 999 of the default domain."""
    return linear(opset=999)


@bad
def opset_zero():
    """Opset 0 of the default domain."""
    return linear(opset=0)


@bad
def opset_twice():
    """The default domain is imported as 13 and as 17."""
    return linear(imports=[("", 13)])


@bad
def opset_domain_missing():
    """A node of a domain that is not imported."""
    return net("g (float[N,4] x) => (float[N,4] y) { y = com.example.Mystery(x) }")


@bad
def function_recursive():
    """A function that calls itself."""
    return net(
        """g (float[N,4] x) => (float[N,4] y) { y = local.f(x) }
        <domain: "local", opset_import: ["": 17, "local": 1]> f (x) => (y) { t = local.f(x)  y = Relu(t) }""",
        imports=LOCAL,
    )


@bad
def function_recursive_pair():
    """Two functions that call each other."""
    return net(
        """g (float[N,4] x) => (float[N,4] y) { y = local.f(x) }
        <domain: "local", opset_import: ["": 17, "local": 1]> f (x) => (y) { y = local.h(x) }
        <domain: "local", opset_import: ["": 17, "local": 1]> h (x) => (y) { y = local.f(x) }""",
        imports=LOCAL,
    )


@bad
def function_opset_incompatible():
    """A function imports opset 13 and the model 17; Relu changed in 14."""
    return net(
        """g (float[N,4] x) => (float[N,4] y) { y = local.act(x) }
        <domain: "local", opset_import: ["": 13]> act (x) => (y) { y = Relu(x) }""",
        imports=LOCAL,
    )


@bad
def function_twice():
    """Two functions of one name and no overload."""
    return net(
        """g (float[N,4] x) => (float[N,4] y) { y = local.f(x) }
        <domain: "local", opset_import: ["": 17]> f (x) => (y) { y = Relu(x) }
        <domain: "local", opset_import: ["": 17]> f (x) => (y) { y = Neg(x) }""",
        imports=LOCAL,
    )


@bad
def function_output_missing():
    """A function whose output nobody writes."""
    return net(
        """g (float[N,4] x) => (float[N,4] y) { y = local.f(x) }
        <domain: "local", opset_import: ["": 17]> f (x) => (y) { t = Relu(x) }""",
        imports=LOCAL,
    )


@bad
def function_explodes():
    """Each of 30 functions calls the next twice: 2^30 nodes when inlined."""
    last = '<domain: "local", opset_import: ["": 17]> f30 (x) => (y) { y = Relu(x) }'
    functions = [
        f'<domain: "local", opset_import: ["": 17, "local": 1]> f{i} (x) => (y) {{ t = local.f{i + 1}(x)  y = local.f{i + 1}(t) }}'
        for i in range(30)
    ]
    return net("g (float[N,4] x) => (float[N,4] y) { y = local.f0(x) } " + " ".join([*functions, last]), imports=LOCAL)


# ---------------------------------------------------------------- bad: tensors


def linear_with(**fields):
    """linear() with fields of its weight replaced (None: cleared)."""
    model = linear()
    tensor = model.graph.initializer[0]
    for name, value in fields.items():
        tensor.ClearField(name)
        if isinstance(value, list):
            getattr(tensor, name).extend(value)
        elif value is not None:
            setattr(tensor, name, value)
    return model


BAD_TENSORS = {
    "raw_data_short": ("raw_data one byte too short", {"raw_data": bytes(47)}),
    "raw_data_long": ("raw_data one element too long", {"raw_data": bytes(52)}),
    "raw_data_absent": ("no data at all", {"raw_data": None}),
    "raw_data_and_float_data": ("raw_data and float_data", {"float_data": [0.0] * 12}),
    "float_data_short": ("float_data one element too short", {"raw_data": None, "float_data": [0.0] * 11}),
    "float_data_wrong_field": ("FLOAT stored in int32_data", {"raw_data": None, "int32_data": [0] * 12}),
    "string_raw_data": ("a STRING tensor with raw_data", {"data_type": TensorProto.STRING}),
    "type_undefined": ("data_type 0", {"data_type": 0}),
    "type_unknown": ("data_type 99", {"data_type": 99}),
    "type_negative": ("data_type -1", {"data_type": -1}),
    "dims_negative": ("a size of -4", {"dims": [-4, 3]}),
    "dims_both_negative": ("sizes -4 and -3, whose product fits", {"dims": [-4, -3]}),
    "dims_overflow": ("sizes whose product overflows 64 bits to 0", {"dims": [2**32, 2**32]}),
    "dims_overflow_exact": ("sizes whose product wraps around to 12", {"dims": [2**62 + 3, 4]}),
    "dims_huge_zero": ("huge sizes and a zero, no data", {"dims": [2**62, 2**62, 0], "raw_data": None}),
}
for _name, (_about, _fields) in BAD_TENSORS.items():
    BAD[f"tensor_{_name}"] = lambda a=_fields: linear_with(**a)
    FAMILIES[f"tensor_{_name}"] = _about + "."


@bad
def tensor_data_location_unknown():
    """data_location 7."""
    return wire_model(b"".join(wire_linear(b"".join(wire_weight()) + field(14, 7))))


@bad
def tensor_segment():
    """A tensor stored as a segment."""
    model = linear()
    model.graph.initializer[0].segment.begin = 0
    model.graph.initializer[0].segment.end = 12
    return model


@bad
def tensor_int4_short():
    """INT4 with five elements in two bytes."""
    tensor = coded_tensor("INT4", 4, [1, 2, 3, 4, 5], typed=False)
    tensor.raw_data = tensor.raw_data[:2]
    return type_model("INT4", tensor, 21, 10)


@bad
def tensor_int32_data_out_of_range():
    """INT8 in int32_data with a value of 300."""
    tensor = wide_tensor("INT8", "int32_data", np.int32([0, 1, -1, 127, 300]), typed=True)
    return type_model("INT8", tensor, 17, 8)


def sparse_bad(values, indices):
    """A model with a sparse weight that breaks a rule."""
    model = sparse_matmul([1, 5, 9])
    model.graph.sparse_initializer[0].CopyFrom(sparse("w", values, indices, [4, 3]))
    return model


BAD_SPARSE = {
    "index_too_large": ("a linear index past the end", ([1, 2, 3], [1, 5, 12])),
    "index_negative": ("a negative linear index", ([1, 2, 3], [-1, 5, 9])),
    "index_unsorted": ("linear indices that do not ascend", ([1, 2, 3], [5, 1, 9])),
    "index_twice": ("a linear index twice", ([1, 2, 3], [1, 1, 9])),
    "index_count": ("three values and two indices", ([1, 2, 3], [1, 5])),
    "index_columns": ("indices of three columns for two sizes", ([1], [[0, 1, 0]])),
}
for _name, (_about, _case) in BAD_SPARSE.items():
    BAD[f"sparse_{_name}"] = lambda a=_case: sparse_bad(*a)
    FAMILIES[f"sparse_{_name}"] = _about + "."


# ---------------------------------------------------------------- bad: external data


def external_bad(location, extra_files=(), size=48, **entries):
    """A folder with a model whose external data break a rule; weights.bin has `size` bytes."""
    model = linear()
    external(model, "w", location, **entries)
    return {"model.onnx": model, "weights.bin": bytes(size), **dict(extra_files)}


BAD_EXTERNAL = {
    "missing_file": ("the file does not exist", ("gone.bin",), {}),
    "parent_folder": ("a path that leaves the folder with .. (`outside.bin` must not be read)", ("../outside.bin",), {}),
    "parent_folder_inside": ("a path with .. in the middle that leaves the folder", ("data/../../outside.bin",), {}),
    "absolute_path": ("an absolute path", ("/dev/zero",), {}),
    "folder": ("the location is a folder", (".",), {}),
    "location_empty": ("an empty location", ("",), {}),
    "nul_in_location": ("a NUL character in the location", ("weights.bin\0.txt",), {}),
    "too_short": ("the file is shorter than the tensor", ("weights.bin",), {"size": 40}),
    "offset_past_end": ("the offset is behind the end of the file", ("weights.bin",), {"offset": 1000, "length": 48}),
    "offset_negative": ("a negative offset", ("weights.bin",), {"offset": -1, "length": 48}),
    "offset_overflow": ("offset plus length overflows 64 bits", ("weights.bin",), {"offset": 2**64 - 8, "length": 48}),
    "offset_text": ("an offset that is no number", ("weights.bin",), {"offset": "1x", "length": 48}),
    "length_wrong": ("a length that is not that of the shape", ("weights.bin",), {"offset": 0, "length": 44}),
    "checksum_wrong": ("a checksum that does not fit", ("weights.bin",), {"checksum": "0" * 40}),
    "key_unknown": ("a key that the standard does not have", ("weights.bin",), {"colour": "red"}),
}
for _name, (_about, _location, _entries) in BAD_EXTERNAL.items():
    BAD[f"external_{_name}"] = lambda a=_location, b=_entries: external_bad(*a, **b)
    FAMILIES[f"external_{_name}"] = _about + "."


@bad
def external_no_location():
    """External data without a location."""
    model = linear()
    external(model, "w", "weights.bin")
    model.graph.initializer[0].external_data[0].key = "offset"
    model.graph.initializer[0].external_data[0].value = "0"
    return {"model.onnx": model, "weights.bin": bytes(48)}


@bad
def external_and_raw_data():
    """An external tensor that has raw_data too."""
    model = linear()
    data = external(model, "w", "weights.bin")
    model.graph.initializer[0].raw_data = bytes(48)
    return {"model.onnx": model, "weights.bin": data}


@bad
def external_symlink():
    """The data file is a symbolic link that leaves the folder."""
    model = linear()
    external(model, "w", "weights.bin")
    return {"model.onnx": model, "weights.bin": pathlib.Path("../outside.bin")}


# ---------------------------------------------------------------- bad: bytes


@bad
def file_empty():
    """An empty file."""
    return b""


@bad
def file_text():
    """A text file."""
    return b"This is not a model.\n"


@bad
def file_zeros():
    """A file of zeros."""
    return bytes(256)


@bad
def file_lfs_pointer():
    """A Git LFS pointer instead of the model."""
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


@bad
def file_zip():
    """The first bytes of a zip file (a PyTorch checkpoint)."""
    return b"PK\x03\x04" + bytes(26) + b"archive/data.pkl"


@bad
def file_truncated():
    """A model that ends in the middle of its weight."""
    data = linear().SerializeToString()
    return data[: data.index(b"MatMul") + 40]


@bad
def file_trailing_bytes():
    """A model followed by bytes that are no field."""
    return linear().SerializeToString() + b"\xff\xff\xff"


@bad
def wire_name_not_utf8():
    """A graph name that is not UTF-8."""
    return linear().SerializeToString().replace(b"linear", b"lin\xff\xfer")


WIRE_MODEL_END = field(8, field(1, b"") + field(2, 17))
BAD_WIRE = {
    "varint_too_long": ("a varint of eleven bytes", varint(1 << 3) + b"\x80" * 10 + b"\x01" + WIRE_MODEL_END),
    "length_past_end": ("a length of 2^62", field(1, 8) + varint(7 << 3 | 2) + varint(2**62)),
    "length_negative": ("a length of 2^64-1", field(1, 8) + varint(7 << 3 | 2) + varint(2**64 - 1)),
    "length_past_parent": ("a node longer than its graph", field(1, 8) + field(7, varint(1 << 3 | 2) + varint(50) + b"\0") + WIRE_MODEL_END * 10),
    "field_number_0": ("field number 0", field(1, 8) + field(0, b"x") + WIRE_MODEL_END),
    "wire_type_7": ("wire type 7", field(1, 8) + varint(7 << 3 | 7) + WIRE_MODEL_END),
    "wire_type_wrong": ("the graph as a varint", field(1, 8) + field(7, 5) + WIRE_MODEL_END),
    "group_open": ("a group that does not end", field(1, 8) + varint(1003 << 3 | 3) + WIRE_MODEL_END),
    "groups_nested": ("100000 groups, one inside the other", field(1, 8) + (varint(100 << 3 | 3)) * 100000),
}
for _name, (_about, _bytes) in BAD_WIRE.items():
    BAD[f"wire_{_name}"] = lambda a=_bytes: a
    FAMILIES[f"wire_{_name}"] = _about + "."


# ---------------------------------------------------------------- digits: training in numpy


def convolve(x, w, groups):
    """3x3 (padding 1) or 1x1 convolution; groups is 1 or the number of channels. Returns y and the windows."""
    pad = w.shape[2] // 2
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))
    if groups > 1:
        return np.einsum("nchwij,cij->nchw", windows, w[:, 0]), windows
    return np.tensordot(windows, w, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2), windows


class Trainer:
    """Parameters, Adam and a tape: each layer returns its result and pushes its backward step."""

    def __init__(self):
        self.params, self.stats, self.grads, self.moments, self.tape = {}, {}, {}, {}, []
        self.steps = 0

    def param(self, name, *shape, fan_in=None):
        """The parameter of that name; made at its first use (He initialization, or zeros)."""
        if name not in self.params:
            scale = np.sqrt(2 / fan_in) if fan_in else 0
            self.params[name] = np.float32(np.random.standard_normal(shape) * scale)
        return self.params[name]

    def conv(self, name, x, channels, kernel=3, groups=1):
        """Convolution without bias."""
        inner = x.shape[1] // groups
        w = self.param(name + ".weight", channels, inner, kernel, kernel, fan_in=inner * kernel * kernel)
        y, windows = convolve(x, w, groups)

        def back(dy):
            if groups > 1:
                self.grads[name + ".weight"] = np.einsum("nchwij,nchw->cij", windows, dy)[:, None]
                return convolve(dy, w[:, :, ::-1, ::-1], groups)[0]
            self.grads[name + ".weight"] = np.tensordot(dy, windows, ((0, 2, 3), (0, 2, 3)))
            return convolve(dy, w.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1], 1)[0]

        self.tape.append(back)
        return y

    def norm(self, name, x, epsilon=1e-5, momentum=0.1):
        """Batch normalization with running statistics."""
        axes, shape = (0, 2, 3), (1, -1, 1, 1)
        channels = x.shape[1]
        scale = self.params.setdefault(name + ".scale", np.ones(channels, np.float32))
        bias = self.param(name + ".bias", channels)
        mean, var = x.mean(axes), x.var(axes)
        for key, value, start in ((".mean", mean, np.zeros_like(mean)), (".var", var, np.ones_like(var))):
            self.stats[name + key] = (1 - momentum) * self.stats.get(name + key, start) + momentum * value
        inverse = 1 / np.sqrt(var + epsilon)
        unit = (x - mean.reshape(shape)) * inverse.reshape(shape)

        def back(dy):
            self.grads[name + ".scale"], self.grads[name + ".bias"] = (dy * unit).sum(axes), dy.sum(axes)
            centred = dy - dy.mean(axes, keepdims=True) - unit * (dy * unit).mean(axes, keepdims=True)
            return centred * (scale * inverse).reshape(shape)

        self.tape.append(back)
        return unit * scale.reshape(shape) + bias.reshape(shape)

    def relu(self, x):
        """max(x, 0)"""
        self.tape.append(lambda dy: dy * (x > 0))
        return np.maximum(x, 0)

    def residual(self, x, block):
        """x + block(x)"""
        outer, self.tape = self.tape, []
        y = x + block(x)
        inner, self.tape = self.tape, outer

        def back(dy):
            dx = dy
            for step in reversed(inner):
                dx = step(dx)
            return dy + dx

        self.tape.append(back)
        return y

    def pool_flat(self, x):
        """2x2 max pooling, then one row per sample."""
        n, c, h, w = x.shape
        tiles = x.reshape(n, c, h // 2, 2, w // 2, 2)
        top = tiles.max((3, 5), keepdims=True)

        def back(dy):
            return ((tiles == top) * dy.reshape(top.shape)).reshape(x.shape)

        self.tape.append(back)
        return top.reshape(n, -1)

    def dense(self, name, x, width):
        """x * weight + bias"""
        w = self.param(name + ".weight", x.shape[1], width, fan_in=x.shape[1])
        b = self.param(name + ".bias", width)

        def back(dy):
            self.grads[name + ".weight"], self.grads[name + ".bias"] = x.T @ dy, dy.sum(0)
            return dy @ w.T

        self.tape.append(back)
        return x @ w + b

    def step(self, forward, x, labels, rate):
        """One step of Adam on the cross entropy of a batch."""
        self.tape = []
        logits = forward(self, x)
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        p[np.arange(len(labels)), labels] -= 1
        gradient = p / np.float32(len(labels))
        for back in reversed(self.tape):
            gradient = back(gradient)
        self.steps += 1
        for name, g in self.grads.items():
            m, v = self.moments.get(name, (0, 0))
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            self.moments[name] = m, v
            update = (m / (1 - 0.9**self.steps)) / (np.sqrt(v / (1 - 0.999**self.steps)) + 1e-8)
            self.params[name] = np.float32(self.params[name] * (1 - rate * 1e-2) - rate * update)


def cnn_forward(layers, x):
    """The CNN: convolution, residual block, depthwise and pointwise convolution, pooling, classifier."""
    x = layers.relu(layers.norm("bn1", layers.conv("conv1", x, 16)))
    x = layers.relu(layers.residual(x, lambda t: layers.norm("bn2", layers.conv("conv2", t, 16))))
    x = layers.relu(layers.norm("bn3", layers.conv("depthwise", x, 16, groups=16)))
    x = layers.relu(layers.norm("bn4", layers.conv("pointwise", x, 32, kernel=1)))
    return layers.dense("fc", layers.pool_flat(x), 10)


def mlp_forward(layers, x):
    """The MLP: two hidden layers."""
    x = layers.relu(layers.dense("fc1", x, 64))
    x = layers.relu(layers.dense("fc2", x, 32))
    return layers.dense("fc3", x, 10)


def shifted(images):
    """The images moved by up to one pixel in each direction."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    dy, dx = np.random.randint(0, 3, 2)
    return padded[:, :, dy : dy + 8, dx : dx + 8]


def train(forward, x, y, epochs, prepare):
    """A Trainer that is done: Adam, cosine schedule, batches of 64."""
    np.random.seed(1)
    model = Trainer()
    for epoch in range(epochs):
        rate = 3e-3 * (1 + np.cos(np.pi * epoch / epochs)) / 2
        order = np.random.permutation(len(x))
        for batch in np.array_split(order, len(x) // 64):
            model.step(forward, prepare(x[batch]), y[batch], np.float32(rate))
    return model


def digits():
    """scikit-learn's digits as a fixed split: 1297 to train, 500 to test; uint8 pixels from 0 to 16."""
    data = load_digits()
    np.random.seed(0)
    order = np.random.permutation(len(data.target))
    x = data.images.astype(np.uint8)[order, None]
    y = data.target.astype(np.int64)[order]
    return {"train_x": x[:1297], "train_y": y[:1297], "test_x": x[1297:], "test_y": y[1297:]}


# ---------------------------------------------------------------- digits: export


def export(nodes, weights, shape, opset=17, ir=8):
    """A model with input `input` and output `logits`."""
    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, ir_version=ir, opset_imports=opsets, producer_name="mq make_testdata")


def cnn_nodes():
    """The CNN as ONNX nodes."""

    def conv(name, norm, x, **attributes):
        stats = [f"{norm}.{part}" for part in ("scale", "bias", "mean", "var")]
        return [
            helper.make_node("Conv", [x, name + ".weight"], [name + "_out"], name, **attributes),
            helper.make_node("BatchNormalization", [name + "_out", *stats], [norm + "_out"], norm, epsilon=1e-5),
        ]

    def simple(op, inputs, name, **attributes):
        return [helper.make_node(op, inputs, [name + "_out"], name, **attributes)]

    same = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    return [
        *conv("conv1", "bn1", "input", **same), *simple("Relu", ["bn1_out"], "relu1"),
        *conv("conv2", "bn2", "relu1_out", **same), *simple("Add", ["relu1_out", "bn2_out"], "add"),
        *simple("Relu", ["add_out"], "relu2"),
        *conv("depthwise", "bn3", "relu2_out", group=16, **same), *simple("Relu", ["bn3_out"], "relu3"),
        *conv("pointwise", "bn4", "relu3_out", kernel_shape=[1, 1]), *simple("Relu", ["bn4_out"], "relu4"),
        *simple("MaxPool", ["relu4_out"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        *simple("Flatten", ["pool_out"], "flatten", axis=1),
        helper.make_node("Gemm", ["flatten_out", "fc.weight", "fc.bias"], ["logits"], "fc", transB=1),
    ]  # fmt: skip


def mlp_nodes():
    """The MLP as ONNX nodes: MatMul and Add first, then Gemm with and without transB."""
    return [
        helper.make_node("MatMul", ["input", "fc1.weight"], ["fc1_product"], "fc1/MatMul"),
        helper.make_node("Add", ["fc1_product", "fc1.bias"], ["fc1_out"], "fc1/Add"),
        helper.make_node("Relu", ["fc1_out"], ["relu1_out"], "relu1"),
        helper.make_node("Gemm", ["relu1_out", "fc2.weight", "fc2.bias"], ["fc2_out"], "fc2", transB=1),
        helper.make_node("Relu", ["fc2_out"], ["relu2_out"], "relu2"),
        helper.make_node("Gemm", ["relu2_out", "fc3.weight", "fc3.bias"], ["logits"], "fc3"),
    ]


def to_half(model):
    """Weights and computation in fp16; input and output stay float."""
    half = onnx.ModelProto()
    half.CopyFrom(model)
    graph = half.graph
    for tensor in graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    rename_inner = {"input": "input_half", "logits": "logits_half"}
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [rename_inner.get(name, name) for name in ends]
    graph.node.insert(0, helper.make_node("Cast", ["input"], ["input_half"], "to_half", to=TensorProto.FLOAT16))
    graph.node.append(helper.make_node("Cast", ["logits_half"], ["logits"], "from_half", to=TensorProto.FLOAT))
    return half


def digit_models(data):
    """Trains and exports: file name to model."""
    x, y = np.float32(data["train_x"]) / 16, data["train_y"]
    cnn = train(cnn_forward, x, y, epochs=60, prepare=shifted)
    weights = cnn.params | cnn.stats | {"fc.weight": cnn.params["fc.weight"].T}
    models = {
        "digits_cnn.onnx": export(cnn_nodes(), weights, [1, 8, 8]),
        "digits_cnn_opset9.onnx": list_weights_as_inputs(export(cnn_nodes(), weights, [1, 8, 8], opset=9, ir=3)),
    }
    models["digits_cnn_fp16.onnx"] = to_half(models["digits_cnn.onnx"])
    mlp = train(mlp_forward, x, y, epochs=100, prepare=lambda images: images.reshape(-1, 64))
    weights = mlp.params | {"fc2.weight": mlp.params["fc2.weight"].T}
    models["digits_mlp.onnx"] = export(mlp_nodes(), weights, [64])
    return models


# ---------------------------------------------------------------- measuring


def session(path):
    """An onnxruntime session on one thread that logs nothing."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def accuracy(path, data):
    """Share of the test digits that onnxruntime gets right with this model."""
    loaded = session(path)
    shape = [-1, *loaded.get_inputs()[0].shape[1:]]
    x = (np.float32(data["test_x"]) / 16).reshape(shape)
    (logits,) = loaded.run(["logits"], {"input": x})
    return float((logits.argmax(1) == data["test_y"]).mean())


def succeeds(action, path):
    """Whether action(path) returns; in a process of its own, because hostile files crash or hang."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            signal.alarm(20)
            action(str(path))
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def write_expected(folder, names, with_runtime):
    """Writes expected.txt: the checker's verdict on each file, and onnxruntime's."""
    lines = []
    for name in names:
        columns = [name, "ok" if succeeds(checker.check_model, folder / name) else "refused"]
        if with_runtime:
            columns.append("runs" if succeeds(session, folder / name) else "refuses")
        lines.append("\t".join(columns) + "\n")
    (folder / "expected.txt").write_text("".join(lines))


# ---------------------------------------------------------------- writing


def write(path, content):
    """Writes a model, bytes, or a link."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pathlib.Path):
        path.symlink_to(content)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_bytes(content.SerializeToString(deterministic=True))


def write_cases(folder, cases):
    """Builds all cases, each from its own seed; returns the models' names below the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    names = []
    for name, build in sorted(cases.items()):
        family = name.split("_")[0]  # a family shares its weights, so that its members compare
        np.random.seed(zlib.crc32((family if family in ("opset", "wire") else name).encode()))
        content = build()
        is_folder = isinstance(content, dict)
        names.append(f"{name}/model.onnx" if is_folder else f"{name}.onnx")
        parts = {f"{name}/{part}": value for part, value in content.items()} if is_folder else {names[-1]: content}
        for part, value in parts.items():
            write(folder / part, value)
    return names


def described(cases):
    """Markdown rows: file and what it is."""
    rows = {f"`{name}`": inspect.getdoc(build) for name, build in cases.items() if inspect.getdoc(build)}
    for pattern, about in FAMILIES.items():
        if pattern in cases or "*" in pattern and cases is ODD:
            rows[f"`{pattern}`"] = about
    return "\n".join(f"| {name} | {about} |" for name, about in sorted(rows.items()))


README = """<!-- SPDX-License-Identifier: Apache-2.0 -->
<!-- SPDX-FileCopyrightText: mq authors -->
# Test data

Made by `scripts/make_testdata.py` (this file too): do not edit, change the script and run it again.
Same versions of the packages in `scripts/requirements-testdata.txt` give the same bytes; the trained weights
may differ on another kind of CPU.

    python scripts/make_testdata.py testdata

## Digits

| file | what it is | accuracy on the 500 test digits |
| --- | --- | --- |
| `digits.npz` | `train_x` (1297,1,8,8) and `test_x` (500,1,8,8), uint8 from 0 to 16; `train_y`, `test_y`, int64 from 0 to 9 | |
{accuracies}

The models take `input`, float, from 0 to 1: **`x / 16`** of the stored pixels (`--preprocess scale=1/16`); the MLP takes each image as a row of 64.
`logits` are 10 scores before Softmax. The CNN: Conv, BatchNormalization, Relu; a residual Add; a depthwise and a pointwise Conv; MaxPool, Flatten,
Gemm. `_opset9` is the same net as old exporters wrote it (IR 3, weights listed as graph inputs), `_fp16` has weights and nodes in fp16 between two
Cast nodes. The MLP has MatMul+Add, Gemm with transB, and Gemm without.

Source of the digits: "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, UCI Machine Learning Repository
(https://doi.org/10.24432/C50P49), licence CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/). The copy that scikit-learn distributes
(`sklearn.datasets.load_digits`, the test half of the UCI set) is used; shuffled, split and stored as uint8, otherwise unchanged. The models are
trained on it by the script. Everything else here is the project's own, Apache-2.0.

## odd/

Valid models, one unusual fact each. `odd/expected.txt`: file, `ok` or `refused` by `onnx.checker.check_model(path)`, `runs` or `refuses`
for whether onnxruntime {runtime} loads it (onnx {onnx}; both measured by the script). With external data, a folder that holds `model.onnx`.
The checker refuses three that the standard allows and onnxruntime runs: `ai.onnx` spelled out in nodes (twice), and values without a shape.

| file | what it is |
| --- | --- |
{odd}

## grad/

Small models of known kinds, each with what torch says of its gradients: `scripts/make_grad_truth.py testdata/grad` writes them. The
output is a loss, the inputs have values of their own, and beside a weight `NAME` lies an initializer `NAME.grad` that no node reads.

## bad/

Files that break a rule. `bad/expected.txt`: file and verdict of the checker; `ok` is a rule that the checker does not enforce.

| file | what it is |
| --- | --- |
{bad}
"""


def main():
    """Remakes the folder given on the command line."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FOLDER")
    root = pathlib.Path(sys.argv[1])
    root.mkdir(exist_ok=True)
    write_expected(root / "odd", write_cases(root / "odd", ODD), with_runtime=True)
    bad_names = write_cases(root / "bad", BAD)
    write(root / "bad" / "outside.bin", bytes(48))
    write_expected(root / "bad", bad_names, with_runtime=False)
    data = digits()
    np.savez_compressed(root / "digits.npz", **data)
    rows = []
    for name, model in digit_models(data).items():
        checker.check_model(model, full_check=True)
        write(root / name, model)
        rows.append(f"| `{name}` | opset {model.opset_import[0].version} | {accuracy(root / name, data):.1%} |")
    print("\n".join(rows))
    text = README.format(
        accuracies="\n".join(rows), runtime=onnxruntime.__version__, onnx=onnx.__version__, odd=described(ODD), bad=described(BAD)
    )
    (root / "README.md").write_text(text)


if __name__ == "__main__":
    main()
