#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Defects seen in other quantizers that mq must not have, one test each. Usage: peer_defects.py MQ [-v]

Needs the PyPI packages onnx, onnxruntime and numpy.
"""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

import weight_forms

MQ = None


class PeerDefects(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.out = self.path("out.onnx")

    def path(self, name):
        return Path(self.folder.name) / name

    def save(self, m):
        onnx.save(m, self.path("in.onnx"))
        return self.path("in.onnx")

    def mq(self, *args):
        return subprocess.run([MQ, "quantize", *map(str, args)], capture_output=True, text=True)

    def quantized(self, m, *args):
        p = self.mq(self.save(m), "-o", self.out, "-q", *args)
        self.assertEqual(p.returncode, 0, p.stderr)
        return onnx.load(self.out)

    def refused(self, code, part, *args):
        p = self.mq(*args)
        self.assertEqual(p.returncode, code, p.stderr)
        self.assertIn(part, p.stderr)
        self.assertFalse(self.out.exists())

    def conv_net(self, opset=17, ir=8):
        nodes = [helper.make_node("Conv", ["x", "w1"], ["a"], name="first"), helper.make_node("Relu", ["a"], ["b"]),
                 helper.make_node("Conv", ["b", "w2"], ["y"], name="second")]
        m = weight_forms.model(nodes, [weight_forms.info("x", ["N", 8, 12, 12])],
                               [weight_forms.weight((16, 8, 3, 3), "w1"), weight_forms.weight((16, 16, 3, 3), "w2", 1)], opset, ir)
        return weight_forms.with_rank(m, 4)

    def test_per_channel_below_opset_13_gives_a_file_that_loads(self):
        """A DequantizeLinear with an axis needs opset 13: the opset is raised, and this is said."""
        for opset in (9, 10, 11, 12):
            with self.subTest(opset=opset):
                p = self.mq(self.save(self.conv_net(opset, 7 if opset > 11 else 4)), "-o", self.out, "-f")
                self.assertEqual(p.returncode, 0, p.stderr)
                self.assertIn("opset", p.stderr)
                m = onnx.load(self.out)
                self.assertGreaterEqual(m.opset_import[0].version, 13)
                onnx.checker.check_model(str(self.out))
                x = np.ones((1, 8, 12, 12), np.float32)
                want, got = (ort.InferenceSession(str(f)).run(None, {"x": x})[0] for f in (self.path("in.onnx"), self.out))
                self.assertLess(np.abs(want - got).max(), 0.02 * np.abs(want).max())
                axes = [a.i for n in m.graph.node if n.op_type == "DequantizeLinear" for a in n.attribute]
                self.assertEqual(axes, [0, 0])

    def test_exclude_nodes_without_a_match_is_an_error(self):
        self.refused(2, "--exclude-nodes: 'frist' matches nothing (did you mean 'first'?)", self.save(self.conv_net()), "-o",
                     self.out, "--exclude-nodes", "frist")

    def test_one_of_several_patterns_without_a_match_is_an_error(self):
        self.refused(2, "'nowhere*' matches nothing", self.save(self.conv_net()), "-o", self.out, "--exclude-nodes",
                     "first,nowhere*")

    def test_op_types_without_a_match_is_an_error(self):
        self.refused(2, "--op-types: 'MatMul' matches nothing", self.save(self.conv_net()), "-o", self.out, "--op-types", "MatMul")
        self.refused(2, "did you mean 'Conv'?", self.save(self.conv_net()), "-o", self.out, "--op-types", "conv")

    def test_quantized_already_is_an_error(self):
        self.quantized(self.conv_net())
        once = self.out
        self.out = self.path("twice.onnx")
        self.refused(2, "quantized already", once, "-o", self.out)

    def test_nothing_to_do_is_not_success(self):
        nodes = [helper.make_node("Relu", ["x"], ["y"])]
        self.refused(4, "nothing to quantize", self.save(weight_forms.model(nodes, [weight_forms.info("x", ["N", 4])], [])), "-o",
                     self.out)

    def test_replaced_weights_do_not_stay(self):
        m = self.quantized(self.conv_net())
        used = {x for n in m.graph.node for x in n.input}
        self.assertEqual({t.name for t in m.graph.initializer} - used, set())
        self.assertNotIn(onnx.TensorProto.FLOAT, {t.data_type for t in m.graph.initializer if len(t.dims) > 1})

    def test_replaced_weights_do_not_stay_as_inputs_or_constants(self):
        for name, m in weight_forms.all_models():
            if name in ("inputs", "ir_3_inputs", "constant_node", "shared", "if_branches", "loop_body", "tied_embedding"):
                with self.subTest(name=name):
                    self.assertLess(self.sizes(m), 0.6)

    def sizes(self, m):
        """After / before."""
        self.quantized(m, "-f")
        return self.out.stat().st_size / self.path("in.onnx").stat().st_size

    def test_every_form_shrinks(self):
        for name, m in weight_forms.all_models():
            with self.subTest(name=name):
                self.assertLess(self.sizes(m), 1)

    def test_a_file_that_would_grow_is_not_written(self):
        """Nothing is said about size on the command line: 100% is the bound."""
        m = self.conv_net()
        m.doc_string = "x" * 10
        source = self.save(m)
        p = self.mq(source, "-o", self.out, "--max-size", "10%", "--report", self.path("r.json"))
        self.assertEqual(p.returncode, 1, p.stderr)
        self.assertFalse(self.out.exists())
        self.quantized(m, "--report", self.path("r.json"), "-f")
        bounds = json.loads(self.path("r.json").read_text())["bounds"]
        self.assertEqual([(b["name"], b["asked"], b["pass"]) for b in bounds], [("max-size", "<= 100%", True)])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    MQ = sys.argv.pop(1)
    unittest.main()
