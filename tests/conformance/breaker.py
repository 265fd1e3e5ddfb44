# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Ways to break a model: each function changes one thing in a ModelProto and returns it, or None where there is nothing
of the kind to change. Whether the result is still valid is for the checkers to say: some of these changes are harmless."""
import random

import onnx
from onnx import AttributeProto, TensorProto, helper

BREAKERS = []


def breaker(f):
    BREAKERS.append(f)
    return f


def graphs(model):
    """Every graph of the model, inner ones too."""
    todo = [model.graph]
    while todo:
        g = todo.pop()
        yield g
        for n in g.node:
            for a in n.attribute:
                if a.HasField("g"):
                    todo.append(a.g)
                todo.extend(a.graphs)


def pick(r, items):
    items = list(items)
    return r.choice(items) if items else None


def node(m, r, want=lambda n: True):
    return pick(r, (n for g in graphs(m) for n in g.node if want(n)))


def body_node(m, r):
    return pick(r, (n for f in m.functions for n in f.node))


def tensor(m, r, want=lambda t: True):
    tensors = [t for g in graphs(m) for t in g.initializer]
    tensors += [a.t for g in graphs(m) for n in g.node for a in n.attribute if a.HasField("t")]
    return pick(r, (t for t in tensors if want(t)))


def graph(m, r, want=lambda g: True):
    return pick(r, (g for g in graphs(m) if want(g)))


def attr(m, r, want=lambda a: True):
    return pick(r, (a for g in graphs(m) for n in g.node for a in n.attribute if want(a)))


# ---- graphs ------------------------------------------------------------------------------------------------------------


@breaker
def drop_node(m, r):
    g = graph(m, r, lambda g: len(g.node))
    if not g:
        return None
    del g.node[r.randrange(len(g.node))]
    return m


@breaker
def swap_nodes(m, r):
    g = graph(m, r, lambda g: len(g.node) > 1)
    if not g:
        return None
    i, j = sorted(r.sample(range(len(g.node)), 2))
    a, b = onnx.NodeProto(), onnx.NodeProto()
    a.CopyFrom(g.node[i])
    b.CopyFrom(g.node[j])
    g.node[i].CopyFrom(b)
    g.node[j].CopyFrom(a)
    return m


@breaker
def reverse_nodes(m, r):
    nodes = list(m.graph.node)[::-1]
    del m.graph.node[:]
    m.graph.node.extend(nodes)
    return m


@breaker
def make_cycle(m, r):
    n = node(m, r, lambda n: len(n.input) and len(n.output) and n.output[0])
    if not n:
        return None
    n.input[r.randrange(len(n.input))] = n.output[0]
    return m


@breaker
def rename_input(m, r):
    n = node(m, r, lambda n: len(n.input))
    if not n:
        return None
    n.input[r.randrange(len(n.input))] = "no_such_value"
    return m


@breaker
def empty_input(m, r):
    n = node(m, r, lambda n: len(n.input))
    if not n:
        return None
    n.input[r.randrange(len(n.input))] = ""
    return m


@breaker
def empty_output(m, r):
    n = node(m, r, lambda n: len(n.output))
    if not n:
        return None
    n.output[r.randrange(len(n.output))] = ""
    return m


@breaker
def duplicate_output(m, r):
    a = node(m, r, lambda n: len(n.output))
    b = node(m, r, lambda n: len(n.output))
    if not a:
        return None
    a.output[0] = b.output[0]
    return m


@breaker
def same_output_twice(m, r):
    n = node(m, r, lambda n: len(n.output))
    if not n:
        return None
    n.output.append(n.output[0])
    return m


@breaker
def output_named_as_input(m, r):
    n = node(m, r, lambda n: len(n.output))
    if not n or not m.graph.input:
        return None
    n.output[0] = m.graph.input[0].name
    return m


@breaker
def output_named_as_initializer(m, r):
    n, t = node(m, r, lambda n: len(n.output)), pick(r, m.graph.initializer)
    if not n or not t:
        return None
    n.output[0] = t.name
    return m


@breaker
def drop_initializer(m, r):
    g = graph(m, r, lambda g: len(g.initializer))
    if not g:
        return None
    del g.initializer[r.randrange(len(g.initializer))]
    return m


@breaker
def duplicate_initializer(m, r):
    g = graph(m, r, lambda g: len(g.initializer))
    if not g:
        return None
    g.initializer.add().CopyFrom(pick(r, g.initializer))
    return m


@breaker
def nameless_initializer(m, r):
    g = graph(m, r, lambda g: len(g.initializer))
    if not g:
        return None
    t = pick(r, g.initializer)
    t.ClearField("name") if r.random() < 0.5 else setattr(t, "name", "")
    return m


@breaker
def initializer_not_an_input(m, r):
    m.ir_version = 3
    g = graph(m, r, lambda g: len(g.initializer))
    return m if g else None


@breaker
def initializer_as_input(m, r):
    g = graph(m, r, lambda g: len(g.initializer))
    if not g:
        return None
    t = pick(r, g.initializer)
    g.input.add().CopyFrom(helper.make_tensor_value_info(t.name, t.data_type, t.dims))
    return m


@breaker
def drop_graph_input(m, r):
    if not m.graph.input:
        return None
    del m.graph.input[r.randrange(len(m.graph.input))]
    return m


@breaker
def duplicate_graph_input(m, r):
    g = graph(m, r, lambda g: len(g.input))
    if not g:
        return None
    g.input.add().CopyFrom(pick(r, g.input))
    return m


@breaker
def duplicate_graph_output(m, r):
    g = graph(m, r, lambda g: len(g.output))
    if not g:
        return None
    g.output.add().CopyFrom(pick(r, g.output))
    return m


@breaker
def rename_graph_output(m, r):
    g = graph(m, r, lambda g: len(g.output))
    if not g:
        return None
    pick(r, g.output).name = "no_such_output"
    return m


@breaker
def input_as_output(m, r):
    if not m.graph.input:
        return None
    m.graph.output.add().CopyFrom(m.graph.input[0])
    return m


@breaker
def inner_value_as_output(m, r):
    inner = [g for g in graphs(m) if g is not m.graph]
    if not inner:
        return None
    name = next((o for g in inner for n in g.node for o in n.output if o), None)
    m.graph.output.add().CopyFrom(helper.make_tensor_value_info(name or "x", 1, [1]))
    return m


@breaker
def outer_value_as_inner_output(m, r):
    inner = [g for g in graphs(m) if g is not m.graph and len(g.output)]
    names = [i.name for i in m.graph.input]
    if not inner or not names:
        return None
    pick(r, inner).output[0].name = names[0]
    return m


@breaker
def shadow_outer_value(m, r):
    inner = [g for g in graphs(m) if g is not m.graph and len(g.node)]
    names = [i.name for i in m.graph.input] + [o for n in m.graph.node for o in n.output if o]
    if not inner or not names:
        return None
    n = pick(r, pick(r, inner).node)
    if not len(n.output):
        return None
    n.output[0] = pick(r, names)
    return m


@breaker
def shadow_with_initializer(m, r):
    inner = [g for g in graphs(m) if g is not m.graph]
    names = [i.name for i in m.graph.input] + [o for n in m.graph.node for o in n.output if o]
    if not inner or not names:
        return None
    pick(r, inner).initializer.add().CopyFrom(helper.make_tensor(pick(r, names), 1, [1], [0.0]))
    return m


@breaker
def empty_graph_name(m, r):
    g = graph(m, r)
    g.ClearField("name") if r.random() < 0.5 else setattr(g, "name", "")
    return m


@breaker
def drop_graph(m, r):
    m.ClearField("graph")
    return m


@breaker
def nameless_value(m, r):
    g = graph(m, r, lambda g: len(g.input) + len(g.output))
    if not g:
        return None
    pick(r, list(g.input) + list(g.output)).name = ""
    return m


@breaker
def typeless_value(m, r):
    v = pick(r, list(m.graph.input) + list(m.graph.output))
    if not v:
        return None
    v.ClearField("type")
    return m


@breaker
def hollow_type(m, r):
    v = pick(r, list(m.graph.input) + list(m.graph.output))
    if not v:
        return None
    v.type.CopyFrom(onnx.TypeProto())
    kind = r.choice(["tensor_type", "sequence_type", "optional_type", "map_type", "sparse_tensor_type", "opaque_type"])
    getattr(v.type, kind).SetInParent()
    return m


@breaker
def shapeless_value(m, r):
    v = pick(r, (v for v in list(m.graph.input) + list(m.graph.output) if v.type.HasField("tensor_type")))
    if not v:
        return None
    v.type.tensor_type.ClearField("shape")
    return m


@breaker
def undefined_value_type(m, r):
    v = pick(r, (v for v in list(m.graph.input) + list(m.graph.output) if v.type.HasField("tensor_type")))
    if not v:
        return None
    v.type.tensor_type.elem_type = 0
    if r.random() < 0.5:
        v.type.tensor_type.ClearField("elem_type")
    return m


@breaker
def inner_value_without_type(m, r):
    inner = [g for g in graphs(m) if g is not m.graph and len(g.output)]
    if not inner:
        return None
    pick(r, inner).output[0].ClearField("type")
    return m


@breaker
def empty_value_info(m, r):
    m.graph.value_info.add()
    return m


# ---- versions -------------------------------------------------------------------------------------------------------------


@breaker
def drop_opset(m, r):
    del m.opset_import[:]
    return m


@breaker
def drop_one_opset(m, r):
    if not m.opset_import:
        return None
    del m.opset_import[r.randrange(len(m.opset_import))]
    return m


@breaker
def other_opset(m, r):
    o = pick(r, m.opset_import)
    if not o:
        return None
    o.version = r.choice([-1, 0, 1, 5, 6, 7, 8, 10, 11, 12, 13, 17, 21, 28, 29, 99, 2**31 - 1, 2**31, 2**40])
    return m


@breaker
def opset_of_other_domain(m, r):
    o = pick(r, m.opset_import)
    if not o:
        return None
    o.domain = r.choice(["ai.onnx", "ai.onnx.ml", "com.example", "ai.onnx.preview.training"])
    return m


@breaker
def second_opset(m, r):
    o = m.opset_import.add()
    o.domain, o.version = r.choice(["", "ai.onnx", "com.example"]), r.choice([1, 7, 13, 21])
    return m


@breaker
def other_ir_version(m, r):
    m.ir_version = r.choice([-1, 0, 1, 2, 3, 4, 7, 8, 10, 13, 14, 15, 99, 2**40])
    return m


@breaker
def no_ir_version(m, r):
    m.ClearField("ir_version")
    return m


@breaker
def ir_1_without_opset(m, r):
    m.ir_version = r.choice([1, 2])
    del m.opset_import[:]
    return m


@breaker
def double_metadata(m, r):
    for _ in range(r.choice([1, 2])):
        p = m.metadata_props.add()
        p.key, p.value = "k", "v"
    return m


# ---- nodes -----------------------------------------------------------------------------------------------------------------


@breaker
def unknown_operator(m, r):
    n = node(m, r)
    if not n:
        return None
    n.op_type = r.choice(["", "NoSuchOp", "ATen", "Upsample", "Scatter", "LayerNormalization", "Gelu", "Adam", "FusedConv"])
    return m


@breaker
def other_operator(m, r):
    a, b = node(m, r), node(m, r)
    if not a:
        return None
    a.op_type = b.op_type
    return m


@breaker
def other_domain(m, r):
    n = node(m, r)
    if not n:
        return None
    n.domain = r.choice(["", "ai.onnx", "ai.onnx.ml", "com.example", "com.microsoft", "ai.onnx.training"])
    return m


@breaker
def known_other_domain(m, r):
    if other_domain(m, r) is None:
        return None
    for d in ("ai.onnx.ml", "com.example", "com.microsoft", "ai.onnx.training", "ai.onnx"):
        if r.random() < 0.8:
            m.opset_import.add().CopyFrom(helper.make_opsetid(d, 1))
    return m


@breaker
def more_inputs(m, r):
    n = node(m, r, lambda n: len(n.input))
    if not n:
        return None
    n.input.extend([r.choice([n.input[0], ""])] * r.choice([1, 2, 8]))
    return m


@breaker
def fewer_inputs(m, r):
    n = node(m, r, lambda n: len(n.input))
    if not n:
        return None
    del n.input[r.randrange(len(n.input)) :]
    return m


@breaker
def more_outputs(m, r):
    n = node(m, r)
    if not n:
        return None
    n.output.extend([r.choice(["", f"extra{i}"]) for i in range(r.choice([1, 2, 8]))])
    return m


@breaker
def fewer_outputs(m, r):
    n = node(m, r, lambda n: len(n.output))
    if not n:
        return None
    del n.output[r.randrange(len(n.output)) :]
    return m


@breaker
def bare_node(m, r):
    n = node(m, r)
    if not n:
        return None
    del n.input[:]
    del n.output[:]
    return m


# ---- attributes ---------------------------------------------------------------------------------------------------------------


@breaker
def drop_attribute(m, r):
    n = node(m, r, lambda n: len(n.attribute))
    if not n:
        return None
    del n.attribute[r.randrange(len(n.attribute))]
    return m


@breaker
def duplicate_attribute(m, r):
    n = node(m, r, lambda n: len(n.attribute))
    if not n:
        return None
    n.attribute.add().CopyFrom(pick(r, n.attribute))
    return m


@breaker
def rename_attribute(m, r):
    a = attr(m, r)
    if not a:
        return None
    a.name = r.choice(["", "no_such_attribute", "__note", "axis"])
    return m


@breaker
def unknown_attribute(m, r):
    n = node(m, r)
    if not n:
        return None
    n.attribute.add().CopyFrom(helper.make_attribute(r.choice(["no_such", "__note", "axis", "consumed_inputs"]), 1))
    return m


@breaker
def other_attribute_type(m, r):
    a = attr(m, r)
    if not a:
        return None
    a.type = r.choice(list(AttributeProto.AttributeType.values()))
    return m


@breaker
def no_attribute_type(m, r):
    a = attr(m, r)
    if not a:
        return None
    a.ClearField("type")
    return m


@breaker
def other_attribute_value(m, r):
    a = attr(m, r)
    if not a:
        return None
    name = a.name
    a.CopyFrom(helper.make_attribute(name, r.choice([1, 1.5, "text", [1, 2], [1.5], ["a"]])))
    return m


@breaker
def second_attribute_value(m, r):
    a = attr(m, r)
    if not a:
        return None
    field = r.choice(["i", "f", "s"])
    setattr(a, field, {"i": 3, "f": 0.5, "s": b"x"}[field])
    return m


@breaker
def empty_attribute(m, r):
    a = attr(m, r)
    if not a:
        return None
    name, kind = a.name, a.type
    a.Clear()
    a.name, a.type = name, kind
    return m


@breaker
def attribute_reference(m, r):
    a = attr(m, r)
    if not a:
        return None
    a.ref_attr_name = r.choice(["", "alpha"])
    if r.random() < 0.5:
        kind, name, ref = a.type, a.name, a.ref_attr_name
        a.Clear()
        a.type, a.name, a.ref_attr_name = kind, name, ref
    return m


# ---- tensors --------------------------------------------------------------------------------------------------------------------

FIELDS = {
    "float_data": [1.0],
    "int32_data": [1],
    "string_data": [b"a"],
    "int64_data": [1],
    "raw_data": b"\x01\x02\x03\x04",
    "double_data": [1.0],
    "uint64_data": [1],
}


@breaker
def short_raw_data(m, r):
    t = tensor(m, r, lambda t: len(t.raw_data))
    if not t:
        return None
    t.raw_data = t.raw_data[: r.randrange(len(t.raw_data))]
    return m


@breaker
def long_raw_data(m, r):
    t = tensor(m, r, lambda t: len(t.raw_data))
    if not t:
        return None
    t.raw_data = t.raw_data + b"\0" * r.choice([1, 4, 8])
    return m


@breaker
def short_typed_data(m, r):
    t = tensor(m, r, lambda t: any(len(getattr(t, f)) for f in FIELDS if f != "raw_data"))
    if not t:
        return None
    for f in FIELDS:
        if f != "raw_data" and len(getattr(t, f)):
            del getattr(t, f)[r.randrange(len(getattr(t, f))) :]
    return m


@breaker
def other_data_type(m, r):
    t = tensor(m, r)
    if not t:
        return None
    t.data_type = r.choice(list(range(0, 29)) + [29, 77, -1])
    return m


@breaker
def no_data_type(m, r):
    t = tensor(m, r)
    if not t:
        return None
    t.ClearField("data_type")
    return m


@breaker
def other_dims(m, r):
    t = tensor(m, r)
    if not t:
        return None
    dims = r.choice([[], [0], [-1], [2, 3], [2**62, 4], [2**31, 2**31, 0], [2**40], list(t.dims) + [1], list(t.dims) + [2]])
    del t.dims[:]
    t.dims.extend(dims)
    return m


@breaker
def other_field(m, r):
    t = tensor(m, r)
    if not t:
        return None
    keep = r.random() < 0.3
    field = r.choice(list(FIELDS))
    for f in FIELDS:
        if not keep:
            t.ClearField(f)
    if field == "raw_data":
        t.raw_data = FIELDS[field]
    else:
        getattr(t, field).extend(FIELDS[field] * r.choice([1, 2, 64]))
    return m


@breaker
def no_data(m, r):
    t = tensor(m, r)
    if not t:
        return None
    for f in FIELDS:
        t.ClearField(f)
    return m


@breaker
def typed_tensor(m, r):
    """An initializer of a random type whose data are in a random field: most combinations are wrong."""
    kind = r.randrange(1, 29)
    t = TensorProto(name="added", data_type=kind, dims=[r.choice([0, 1, 2, 3, 5, 8, 16, 17])])
    field = r.choice(list(FIELDS))
    n = r.choice([0, 1, 2, 3, 4, 8, 16, 32])
    if field == "raw_data":
        t.raw_data = bytes(r.randrange(256) for _ in range(n))
    else:
        getattr(t, field).extend([FIELDS[field][0]] * n)
    m.graph.initializer.add().CopyFrom(t)
    if m.ir_version < 4:
        m.graph.input.add().CopyFrom(helper.make_tensor_value_info("added", kind, t.dims))
    return m


@breaker
def external_nowhere(m, r):
    t = tensor(m, r)
    if not t:
        return None
    if r.random() < 0.7:
        for f in FIELDS:
            t.ClearField(f)
    t.data_location = TensorProto.EXTERNAL
    del t.external_data[:]
    entries = [
        {"location": "no_such_file.bin"},
        {"location": "../escape.bin"},
        {"location": "/etc/hostname"},
        {"location": ""},
        {"location": "."},
        {"offset": "0"},
        {"location": "weights.bin", "offset": "1000000000"},
        {"location": "weights.bin"},
        {"location": "weights.bin", "length": "1"},
        {"location": "link.bin"},
        {"location": "hard.bin"},
        {"location": "folder"},
        {"location": "folder/../weights.bin"},
    ]
    for k, v in r.choice(entries).items():
        e = t.external_data.add()
        e.key, e.value = k, v
    return m


@breaker
def sparse_initializer(m, r):
    s = m.graph.sparse_initializer.add()
    size = r.choice([1, 2, 3])
    s.values.CopyFrom(helper.make_tensor(r.choice(["sparse", "sparse", ""]), 1, [size], [1.0] * size))
    index = r.choice([[0, 1, 2], [2, 1, 0], [1, 1, 2], [0, 5, 11], [0, 5, 12], [-1, 0, 1]])[:size]
    if r.random() < 0.5:
        s.indices.CopyFrom(helper.make_tensor("i", r.choice([7, 7, 7, 6]), [size], index))
    elif r.random() < 0.8:
        pairs = r.choice([[0, 0, 1, 1, 2, 3], [0, 1, 0, 0, 1, 1], [0, 0, 0, 4, 1, 1], [3, 0, 1, 1, 1, 2]])[: 2 * size]
        s.indices.CopyFrom(helper.make_tensor("i", 7, [size, 2], pairs))
    s.dims.extend(r.choice([[3, 4], [3, 4], [3, 4], [12], [], [3, 0], [3, -4]]))
    return m


# ---- functions -----------------------------------------------------------------------------------------------------------------


def add_function(m, r, name="F", body=None, opset=None):
    f = m.functions.add()
    f.name, f.domain = name, "local"
    f.input.append("x")
    f.output.append("y")
    f.node.extend(body or [helper.make_node("Relu", ["x"], ["y"])])
    version = next((o.version for o in m.opset_import if o.domain in ("", "ai.onnx")), 13)
    f.opset_import.add().CopyFrom(helper.make_opsetid("", opset or version))
    if not any(o.domain == "local" for o in m.opset_import):
        m.opset_import.add().CopyFrom(helper.make_opsetid("local", 1))
    m.ir_version = max(m.ir_version, r.choice([7, 8, 8, 8]))
    return f


@breaker
def function_unchanged(m, r):
    add_function(m, r)
    return m


@breaker
def function_recursive(m, r):
    f = add_function(m, r, body=[helper.make_node("F", ["x"], ["y"], domain="local")])
    f.opset_import.add().CopyFrom(helper.make_opsetid("local", 1))
    return m


@breaker
def function_ring(m, r):
    for a, b in (("F", "G"), ("G", "H"), ("H", r.choice("FGH"))):
        f = add_function(m, r, a, [helper.make_node(b, ["x"], ["y"], domain="local")])
        f.opset_import.add().CopyFrom(helper.make_opsetid("local", 1))
    return m


@breaker
def function_twice(m, r):
    add_function(m, r)
    add_function(m, r)
    return m


@breaker
def function_flaw(m, r):
    f = add_function(m, r)
    flaw = r.randrange(12)
    if flaw == 0:
        f.name = ""
    elif flaw == 1:
        f.ClearField("domain")
    elif flaw == 2:
        f.input.append("x")
    elif flaw == 3:
        f.output.append("y")
    elif flaw == 4:
        f.output.append("nothing")
    elif flaw == 5:
        f.attribute.extend(["a", "a"])
    elif flaw == 6:
        del f.opset_import[:]
    elif flaw == 7:
        f.node[0].input[0] = "unknown"
    elif flaw == 8:
        f.node[0].output[0] = "x"
    elif flaw == 9:
        f.node[0].op_type = "NoSuchOp"
    elif flaw == 10:
        f.node.add().CopyFrom(f.node[0])
    else:
        f.node[0].domain = "ai.onnx"
    return m


@breaker
def function_other_opset(m, r):
    op = r.choice(["Relu", "Softmax", "Abs", "Clip", "Dropout"])
    add_function(m, r, body=[helper.make_node(op, ["x"], ["y"])], opset=r.choice([1, 7, 11, 12, 13, 14, 18, 21]))
    return m


@breaker
def function_attribute_reference(m, r):
    n = helper.make_node("LeakyRelu", ["x"], ["y"])
    a = n.attribute.add()
    a.name, a.type, a.ref_attr_name = "alpha", r.choice([AttributeProto.FLOAT, AttributeProto.INT]), "alpha"
    if r.random() < 0.3:
        a.f = 0.5
    f = add_function(m, r, body=[n])
    if r.random() < 0.5:
        f.attribute.append("alpha")
    return m


@breaker
def break_function_body(m, r):
    n = body_node(m, r)
    if not n:
        return None
    if len(n.input) and r.random() < 0.5:
        n.input[0] = "no_such_value"
    elif len(n.output):
        n.output.append(n.output[0])
    return m


def broken(model, how, seed):
    """A copy of the model, broken; None where it has nothing to break in that way."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return how(copy, random.Random(seed))
