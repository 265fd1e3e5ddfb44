#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Writes src/ops/schema.inc: every operator of every version, as C data.

usage: make_schemas.py [--check] [--contrib]

Sources: the schemas that the PyPI package `onnx` carries (written with 1.23.2), and src/ops/contrib_schemas.txt for
what ONNX Runtime adds. --check writes nothing and fails when the file would change. --contrib first writes
contrib_schemas.txt anew from the package `onnxruntime` (written with 1.31.1).
"""
import argparse
import sys
from pathlib import Path

import onnx
import onnx.defs

OPS = Path(__file__).resolve().parent.parent / "src" / "ops"
INC = OPS / "schema.inc"
CONTRIB = OPS / "contrib_schemas.txt"
ANY = 0xFFFF
MAX_VARIABLES = 32  # MQ_MAX_TYPE_VARS
OPTIONS = ["Single", "Optional", "Variadic"]
ATTR_TYPES = ["UNDEFINED", "FLOAT", "INT", "STRING", "TENSOR", "GRAPH", "FLOATS", "INTS", "STRINGS", "TENSORS", "GRAPHS",
              "SPARSE_TENSOR", "SPARSE_TENSORS", "TYPE_PROTO", "TYPE_PROTOS"]
KINDS = [("seq(", 40), ("optional(", 41), ("map(", 42), ("sparse_tensor(", 43)]
# Of domain "": names of ONNX Runtime that are no model's business (copies between devices, other runtimes' plugins).
NOT_CONTRIB = ("Memcpy", "_TRT")


def type_bit(text):
    """The bit of one type string in an mq_type_set."""
    if text.startswith("tensor("):
        return 1 << onnx.TensorProto.DataType.Value(text[len("tensor("):-1].upper())
    for prefix, bit in KINDS:
        if text.startswith(prefix):
            return 1 << bit
    return 1 << 44


def type_set(types):
    mask = 0
    for t in types:
        mask |= type_bit(t)
    return mask


def arity(n):
    return ANY if n > 1000 else n


def params(formal, variables):
    """Formal parameters as (name, types, option, variable, heterogeneous)."""
    rows = []
    for name, type_str, types, option, homogeneous in formal:
        var = -1 if "(" in type_str else variables.setdefault(type_str, len(variables))
        rows.append((name, type_set(types), OPTIONS.index(option), var, int(option == "Variadic" and not homogeneous)))
    return tuple(rows)


def standard():
    for s in onnx.defs.get_all_schemas_with_history():
        variables = {}
        formal = [[(p.name, p.type_str, p.types, p.option.name, p.is_homogeneous) for p in side]
                  for side in (s.inputs, s.outputs)]
        yield {
            "key": (s.domain, s.name, s.since_version), "deprecated": s.deprecated, "extension": False,
            "arity": tuple(map(arity, (s.min_input, s.max_input, s.min_output, s.max_output))),
            "in": params(formal[0], variables), "out": params(formal[1], variables),
            "attrs": tuple(sorted((a.name, ATTR_TYPES.index(a_type(a)), int(a.required)) for a in s.attributes.values())),
        }


def a_type(attribute):
    name = attribute.type.name
    return {"TYPE": "TYPE_PROTO", "TYPES": "TYPE_PROTOS"}.get(name, name)


# ---- contrib_schemas.txt -----------------------------------------------------------------------------------

def contrib_head():
    return ("# Operators that ONNX Runtime adds, from its own schemas (1.31.1): make_schemas.py --contrib.\n"
            "# DOMAIN NAME SINCE (\"-\" is the domain of ONNX itself), then: in/out MIN..MAX parameters name:TYPE (? optional,\n"
            "# * variadic, ** variadic of mixed types), attr name:type (! required), and what each TYPE allows.\n")


def compact_types(types):
    short = sorted(t[len("tensor("):-1] if t.startswith("tensor(") else t for t in types)
    return ",".join(short)


def contrib_write():
    from onnxruntime.capi import onnxruntime_pybind11_state as state
    known = {(s.domain, s.name, s.since_version) for s in onnx.defs.get_all_schemas_with_history()}
    text = [contrib_head()]
    for s in sorted(state.get_all_operator_schema(), key=lambda s: (s.domain, s.name, s.since_version)):
        if s.domain not in ("", "com.microsoft", "com.microsoft.nchwc") or (s.domain, s.name, s.since_version) in known:
            continue
        if any(part in s.name for part in NOT_CONTRIB):
            continue
        text.append(contrib_block(s))
    CONTRIB.write_text("\n".join(text))


def contrib_block(s):
    lines = ["%s %s %d%s" % (s.domain or "-", s.name, s.since_version, " deprecated" if s.deprecated else "")]
    types = {}
    sides = (("in", s.inputs, s.min_input, s.max_input), ("out", s.outputs, s.min_output, s.max_output))
    for word, side, low, high in sides:
        cells = []
        for p in side:
            mark = {"Single": "", "Optional": "?", "Variadic": "*" if p.isHomogeneous else "**"}[p.option.name]
            if "(" not in p.typeStr:
                types[p.typeStr] = compact_types(p.types)
                cells.append("%s%s:%s" % (p.name.replace(" ", "_"), mark, p.typeStr))
            else:
                cells.append("%s%s:=%s" % (p.name.replace(" ", "_"), mark, compact_types(p.types)))
        lines.append(" ".join(["  " + word, "%d..%s" % (low, "" if high > 1000 else high)] + cells))
    attrs = ["%s:%s%s" % (a.name, a_type_contrib(a), "!" if a.required else "") for a in
             sorted(s.attributes.values(), key=lambda a: a.name)]
    if attrs:
        lines.append("  attr " + " ".join(attrs))
    lines += ["  type %s=%s" % item for item in types.items()]
    return "\n".join(lines) + "\n"


def a_type_contrib(attribute):
    return a_type(attribute).lower()


def contrib():
    """The blocks of contrib_schemas.txt in the form of standard()."""
    block = []
    for line in CONTRIB.read_text().splitlines() + [""]:
        if line.startswith("#"):
            continue
        if line.strip():
            block.append(line.split())
        elif block:
            yield contrib_parse(block)
            block = []


def contrib_parse(block):
    head, types = block[0], {}
    for words in block[1:]:
        if words[0] == "type":
            name, allowed = words[1].split("=")
            types[name] = allowed
    row = {"key": ("" if head[0] == "-" else head[0], head[1], int(head[2])), "deprecated": "deprecated" in head[3:],
           "extension": True, "attrs": ()}
    variables, limits = {}, []
    for words in block[1:]:
        if words[0] in ("in", "out"):
            low, high = words[1].split("..")
            limits += [int(low), int(high) if high else ANY]
            row[words[0]] = params([contrib_param(w, types) for w in words[2:]], variables)
        elif words[0] == "attr":
            cells = [w.rstrip("!").split(":") + [int(w.endswith("!"))] for w in words[1:]]
            row["attrs"] = tuple(sorted((n, ATTR_TYPES.index(t.upper()), r) for n, t, r in cells))
    row["arity"] = tuple(limits)
    return row


def contrib_param(word, types):
    name, type_str = word.split(":", 1)
    option = "Variadic" if name.endswith("*") else "Optional" if name.endswith("?") else "Single"
    fixed = type_str.startswith("=")
    allowed = (type_str[1:] if fixed else types[type_str]).split(",")
    allowed = [t if "(" in t else "tensor(%s)" % t for t in allowed]
    return name.rstrip("*?"), "(fixed)" if fixed else type_str, allowed, option, not name.endswith("**")


# ---- C -----------------------------------------------------------------------------------------------------

class Pool:
    """Lists stored once, one after the other; equal lists share their place."""

    def __init__(self):
        self.items, self.places = [], {}

    def place(self, rows):
        if rows not in self.places:
            self.places[rows] = len(self.items)
            self.items += rows
        return self.places[rows]


def ref(pool, name, rows):
    return "%s + %d" % (name, pool.place(rows)) if rows else "NULL"


def render(rows):
    par, att, table = Pool(), Pool(), []
    for r in rows:
        domain, name, since = r["key"]
        ins, outs, attrs = r["in"], r["out"], r["attrs"]
        table.append('    { "%s", "%s", %d, %s, %s, %s, %d, %d, %d, %s, %s, %s },' % (
            domain, name, since, str(bool(r["deprecated"])).lower(), str(r["extension"]).lower(),
            ", ".join(map(str, r["arity"])), len(ins), len(outs), len(attrs),
            ref(par, "params", ins), ref(par, "params", outs), ref(att, "attrs", attrs)))
    newest = max(r["key"][2] for r in rows if r["key"][0] == "" and not r["extension"])
    lines = ["/* SPDX-License-Identifier: Apache-2.0", " * SPDX-FileCopyrightText: mq authors */",
             "/* Made by scripts/make_schemas.py from the schemas of onnx %s and contrib_schemas.txt:" % onnx.__version__,
             " * do not edit. */", "#define MQ_NEWEST_OPSET %d" % newest, "", "static const mq_op_param params[] = {"]
    lines += ['    { "%s", 0x%xu, %d, %d, %d },' % p for p in par.items]
    lines += ["};", "", "static const mq_op_attr attrs[] = {"]
    lines += ['    { "%s", %d, %d },' % a for a in att.items]
    lines += ["};", "", "static const mq_op_schema schemas[] = {"] + table + ["};", ""]
    return "\n".join(lines)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--check", action="store_true", help="write nothing; fail when the file would change")
    ap.add_argument("--contrib", action="store_true", help="write contrib_schemas.txt first")
    args = ap.parse_args()
    if args.contrib:
        contrib_write()
    rows = sorted(list(standard()) + list(contrib()), key=lambda r: r["key"])
    keys = [r["key"] for r in rows]
    assert len(set(keys)) == len(keys), "an operator is there twice"
    assert all(p[3] < MAX_VARIABLES for r in rows for p in r["in"] + r["out"]), "more than MQ_MAX_TYPE_VARS"
    text = render(rows)
    if not args.check:
        INC.write_text(text)
    elif INC.read_text() != text:
        sys.exit("%s is not what make_schemas.py writes with onnx %s" % (INC, onnx.__version__))


main()
