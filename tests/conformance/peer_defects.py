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
import time
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

    # ---- convolutions with ranges found at run time ----

    def heavy_conv_net(self):
        """Enough multiplications that their time is what is measured, half the layers depthwise as in nets for phones."""
        nodes, weights, x = [], [], "x"
        for i in range(4):
            group = 32 if i % 2 else 1
            weights.append(weight_forms.weight((32, 32 // group, 3, 3), f"w{i}", i))
            nodes += [helper.make_node("Conv", [x, f"w{i}"], [f"c{i}"], pads=[1] * 4, group=group),
                      helper.make_node("Relu", [f"c{i}"], [f"r{i}"])]
            x = f"r{i}"
        return weight_forms.with_rank(weight_forms.model(nodes, [weight_forms.info("x", [1, 32, 64, 64])], weights), 4)

    def slowdown(self, before, after, **settings):
        """Least time of one over least time of the other, in turns, in one thread."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        for name, value in settings.items():
            options.add_session_config_entry(f"session.{name}", value)
        sessions = [ort.InferenceSession(str(f), options) for f in (before, after)]
        x = {"x": np.random.default_rng(0).uniform(-1, 1, (1, 32, 64, 64)).astype(np.float32)}
        least = [float("inf")] * 2
        for _ in range(30):
            for i, s in enumerate(sessions):
                start = time.perf_counter()
                s.run(None, x)
                least[i] = min(least[i], time.perf_counter() - start)
        return least[1] / least[0]

    def assert_not_slower(self, before, after, **settings):
        self.assertLess(self.slowdown(before, after, **settings), 1.4)

    def test_dynamic_convolutions_are_warned_about(self):
        """They run several times slower than float ones: said, with the better choice; --strict makes it an error."""
        args = [self.save(self.heavy_conv_net()), "--mode", "dynamic", "--target", "onnx,x64-vnni"]
        p = self.mq(*args, "-o", self.out)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertEqual([n.op_type for n in onnx.load(self.out).graph.node].count("ConvInteger"), 4)
        self.assertEqual(p.stderr.count("mq: warning: "), 1, p.stderr)
        for part in ("mostly Conv (100%)", "slower than float", "--mode weight", "--exclude-op-types Conv"):
            self.assertIn(part, p.stderr)
        self.assertEqual(self.mq(*args, "-o", self.path("strict.onnx"), "--strict").returncode, 1)

    def test_convolutions_are_not_made_slower_unasked(self):
        """The default leaves them in float, and says which setting of ONNX Runtime keeps their speed."""
        source = self.save(self.heavy_conv_net())
        p = self.mq(source, "-o", self.out)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        self.assertIn("--mode dynamic would be slower", p.stdout)
        self.assertIn("session.disable_quant_qdq=1", p.stdout)
        self.assert_not_slower(source, self.out, disable_quant_qdq="1")

    def test_the_better_choice_is_not_slower(self):
        """What the warning advises: convolutions left alone, and dynamic products for the rest."""
        m = self.heavy_conv_net()
        m.graph.node.append(helper.make_node("MatMul", ["r3", "v"], ["z"]))
        m.graph.initializer.append(weight_forms.weight((64, 64), "v", 2))
        m.graph.output[0].name = "z"
        source = self.save(m)
        p = self.mq(source, "-o", self.out, "--mode", "dynamic", "--target", "onnx,x64-vnni", "--exclude-op-types", "Conv")
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        self.assertIn("MatMulInteger", {n.op_type for n in onnx.load(self.out).graph.node})
        self.assert_not_slower(source, self.out)

    def test_dynamic_that_does_nothing_is_said(self):
        p = self.mq(self.save(self.conv_net()), "-o", self.out, "--mode", "dynamic", "--type", "uint8")
        self.assertNotIn("ConvInteger", {n.op_type for n in onnx.load(self.out).graph.node})
        self.assertIn("no operator is computed with integers", p.stderr)

    # ---- blocks ----

    def product_net(self):
        nodes = [helper.make_node("MatMul", ["x", "w1"], ["a"]), helper.make_node("Relu", ["a"], ["b"]),
                 helper.make_node("MatMul", ["b", "w2"], ["y"])]
        return weight_forms.model(nodes, [weight_forms.info("x", ["N", 512])],
                                  [weight_forms.weight((512, 256), "w1"), weight_forms.weight((256, 64), "w2", 1)])

    def assert_blocks(self, m, size):
        """Each of both weights has that block size, and as many scales as that makes."""
        shapes = {t.name: list(t.dims) for t in m.graph.initializer}
        nodes = [n for n in m.graph.node if n.op_type in ("MatMulNBits", "DequantizeLinear")]
        self.assertEqual([a.i for n in nodes for a in n.attribute if a.name == "block_size"], [size] * 2)
        scales = [n.input[1 if n.op_type == "DequantizeLinear" else 2] for n in nodes]
        self.assertEqual([int(np.prod(shapes[s])) for s in scales], [512 // size * 256, 256 // size * 64])

    def test_block_size_is_kept(self):
        """By every algorithm, in both forms, and ONNX Runtime computes with it."""
        m = self.product_net()
        x = np.random.default_rng(0).uniform(-1, 1, (5, 512)).astype(np.float32)
        want = ort.InferenceSession(self.save(m)).run(None, {"x": x})[0]
        for form in ("qdq", "nbits"):
            for algorithm in ("rtn", "mse", "hqq"):
                for size in (16, 32, 64, 128, 256):
                    with self.subTest(form=form, algorithm=algorithm, size=size):
                        q = self.quantized(m, "-f", "--type", "int4", "--ends-type", "int4", "--format", form, "--algorithm",
                                           algorithm, "--block-size", size)
                        self.assert_blocks(q, size)
                        got = ort.InferenceSession(self.out).run(None, {"x": x})[0]
                        self.assertGreater(10 * np.log10((want ** 2).sum() / ((want - got) ** 2).sum()), 14)

    def assert_files(self, *names):
        self.assertEqual({f.name for f in Path(self.folder.name).iterdir()}, set(names))

    def test_a_small_model_is_one_file(self):
        self.quantized(self.product_net(), "--type", "int4", "--format", "nbits")
        self.assert_files("in.onnx", "out.onnx")

    def test_a_second_run_replaces_the_first(self):
        """Into the same path: an error that changes nothing without -f, the same bytes with it; with external data, too."""
        for options, names in ([], ["out.onnx"]), (["--external-data", "out.data"], ["out.onnx", "out.data"]):
            with self.subTest(names=names):
                self.quantized(self.product_net(), "-f", "--type", "int4", "--format", "nbits", *options)
                first = [self.path(n).read_bytes() for n in names]
                p = self.mq(self.path("in.onnx"), "-o", self.out, *options)
                self.assertEqual((p.returncode, [self.path(n).read_bytes() for n in names]), (2, first), p.stderr)
                self.quantized(self.product_net(), "-f", "--type", "int4", "--format", "nbits", *options)
                self.assertEqual([self.path(n).read_bytes() for n in names], first)
                ort.InferenceSession(self.out)
                self.assert_files("in.onnx", *names)

    # ---- calibration ----

    def scales(self):
        return {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(self.out).graph.initializer if t.name.endswith("_scale")}

    def spread_data(self, n, name="x.npz"):
        """Samples of which the last ones have the largest values."""
        x = np.random.default_rng(5).uniform(-1, 1, (n, 8, 12, 12)).astype(np.float32)
        np.savez(self.path(name), x=x * np.arange(1, n + 1, dtype=np.float32).reshape(-1, 1, 1, 1))
        return self.path(name)

    def test_no_calibration_data_are_thrown_away(self):
        """The range holds all samples, in batches of any size, whether that divides their number or not."""
        data, m = self.spread_data(6), self.conv_net()
        x = np.load(data)["x"]
        want = (x.max() - x.min()) / 255
        for batch in (1, 2, 3, 4, 6, 10):
            with self.subTest(batch=batch):
                self.quantized(m, "-f", "--data", data, "--batch", batch, "--calibration", "minmax")
                self.assertAlmostEqual(float(self.scales()["x_scale"]) / want, 1, places=5)

    def peak(self, source, data, method):
        """Peak memory in bytes of one quantization."""
        code = ("import resource, subprocess, sys; r = subprocess.run(sys.argv[1:]).returncode; "
                "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024); sys.exit(r)")
        p = subprocess.run([sys.executable, "-c", code, MQ, "quantize", source, "-o", self.out, "-f", "-q", "--data", data,
                            "--samples", "100000", "--verify", "load", "--calibration", method], capture_output=True, text=True)
        self.assertEqual(p.returncode, 0, p.stderr)
        return int(p.stdout)

    def test_memory_does_not_grow_with_samples(self):
        """Nothing is kept per sample. The samples are drawn: no file is mapped, whose pages would count."""
        source = self.save(self.conv_net())
        for method in ("minmax", "ema", "percentile", "entropy", "mse"):
            with self.subTest(method=method):
                grown = self.peak(source, "random:3000", method) - self.peak(source, "random:30", method)
                self.assertLess(grown, 2e6)  # what the tensors of 3000 samples would take: 120 MB

    def test_memory_does_not_grow_with_files(self):
        """Arrays are read row by row: stored, where numpy does not align them; compressed; of the other byte order."""
        source = self.save(self.conv_net())
        peaks = {}
        for n in (10, 4000):
            x = np.random.default_rng(3).standard_normal((n, 8, 12, 12)).astype(np.float32)
            np.save(self.path("plain.npy"), x)
            np.savez(self.path("stored.npz"), x=x)
            np.savez_compressed(self.path("packed.npz"), x=x)
            np.savez(self.path("swapped.npz"), x=x.astype(">f4"))
            for name in ("plain.npy", "stored.npz", "packed.npz", "swapped.npz"):
                peaks[name, n] = self.peak(source, self.path(name), "minmax")
        for name in ("plain.npy", "stored.npz", "packed.npz", "swapped.npz"):
            with self.subTest(data=name):
                self.assertLess(peaks[name, 4000] - peaks[name, 10], 8e6)  # 4000 samples are 18 MB

    def test_what_is_documented_is_there(self):
        """Options of the manual's examples are options, and what differs between runtimes has one."""
        help_text = subprocess.run([MQ, "quantize", "-h"], capture_output=True, text=True).stdout
        for option in ("--op-types", "--reduce-range", "--percentile", "--external-data", "--act-type", "--calibration"):
            self.assertIn(option, help_text)
        data = self.spread_data(8)
        self.quantized(self.conv_net(), "--data", data, "--calibration", "percentile", "--percentile", 99, "--reduce-range",
                       "--op-types", "Conv", "--external-data", "out.data", "--external-threshold", 0)
        low = self.scales()["x_scale"]
        self.quantized(self.conv_net(), "-f", "--data", data, "--calibration", "percentile", "--percentile", 100)
        self.assertLess(float(low), float(self.scales()["x_scale"]))
        self.refused_twice("--quantize-bias")

    def refused_twice(self, option):
        p = self.mq(self.path("in.onnx"), "-o", self.path("other.onnx"), option)
        self.assertEqual(p.returncode, 2)
        self.assertIn(option, p.stderr)

    def test_old_opsets_are_quantized(self):
        """Opset 9, as many models are published: integers in the file, on the data given, or an error."""
        data = self.spread_data(4)
        for opset in (8, 9, 10, 11):
            with self.subTest(opset=opset):
                m = self.quantized(self.conv_net(opset, 4), "-f", "--data", data)
                self.assertEqual([n.op_type for n in m.graph.node].count("QuantizeLinear"), 3)
                onnx.checker.check_model(m)
                x = np.load(data)["x"][:1]
                want, got = (ort.InferenceSession(str(f)).run(None, {"x": x})[0] for f in (self.path("in.onnx"), self.out))
                self.assertLess(np.abs(want - got).max(), 0.05 * np.abs(want).max())

    def test_random_calibration_is_asked_for_and_said(self):
        source = self.save(self.conv_net())
        self.refused(2, "--data", source, "-o", self.out, "--mode", "static")
        p = self.mq(source, "-o", self.out, "--data", "random:4")
        self.assertIn("generated inputs", p.stderr)

    def test_a_moving_average_is_over_runs(self):
        """0.02 of the newest extremes, also when all data come in one go; no mean."""
        data = self.spread_data(50)
        x = np.load(data)["x"].reshape(50, -1)
        lo, hi = float(x[0].min()), float(x[0].max())
        for row in x[1:]:
            lo, hi = 0.98 * lo + 0.02 * float(row.min()), 0.98 * hi + 0.02 * float(row.max())
        self.quantized(self.conv_net(), "--data", data, "--calibration", "ema")
        self.assertAlmostEqual(float(self.scales()["x_scale"]) * 255 / (hi - lo), 1, places=3)

    # ---- switches ----

    def largest(self, *args):
        """Largest integer of the weights: 127, or 63 with 7 bits."""
        m = self.quantized(self.product_net(), "-f", "--target", "onnx,x64-vnni", *args)
        return max(int(np.abs(onnx.numpy_helper.to_array(t).astype(int)).max()) for t in m.graph.initializer
                   if t.data_type == onnx.TensorProto.INT8 and len(t.dims) > 1)

    def test_a_switch_takes_no_text(self):
        """"False" is a text like any other, and would count as true: no switch takes one."""
        source = self.save(self.product_net())
        for switch in ("reduce-range", "per-channel", "per-tensor", "symmetric", "asymmetric", "requantize", "dry-run",
                       "force", "sync", "strict"):
            for value in ("False", "false", "True", "0", "1", "off", ""):
                with self.subTest(switch=switch, value=value):
                    self.refused(2, switch, source, "-o", self.out, f"--{switch}={value}")
                    if value:
                        self.refused(2, value, source, "-o", self.out, f"--{switch}", value)

    def test_a_switch_is_turned_off(self):
        config = self.path("options.json")
        self.assertEqual((self.largest("--reduce-range"), self.largest(), self.largest("--no-reduce-range")), (63, 127, 127))
        for value, most in (True, 63), (False, 127):
            config.write_text(json.dumps({"reduce-range": value}))
            self.assertEqual(self.largest("--config", config), most)
        self.assertEqual(self.largest("--config", config, "--reduce-range", "--no-reduce-range"), 127)
        config.write_text(json.dumps({"reduce-range": "False"}))
        self.out.unlink()
        self.refused(2, "reduce-range", self.path("in.onnx"), "-o", self.out, "--config", config)

    # ---- errors ----

    def assert_error(self, p, code, *parts):
        """The exit status says what kind it is, one line says what and where; nobody sees how the program is made."""
        self.assertEqual(p.returncode, code, p.stderr)
        self.assertRegex(p.stderr, r"\Amq: error: [^\n]+\n\Z")
        for part in parts:
            self.assertIn(str(part), p.stderr)
        self.assertEqual(p.stdout, "")
        self.assertFalse(self.out.exists())

    def test_errors_are_one_line_and_a_status(self):
        source, wrong = self.save(self.conv_net()), self.path("wrong.onnx")
        self.assert_error(self.mq(wrong, "-o", self.out), 3, wrong, "No such file")
        self.assert_error(self.mq(self.folder.name, "-o", self.out), 3, self.folder.name)
        self.assert_error(self.mq(source, "-o", self.path("no/out.onnx")), 5, "no/out.onnx", "No such file")
        self.assert_error(self.mq(source, "-o", self.out, "--block-sise", "32"), 2, "--block-size")
        self.assert_error(self.mq(source), 2, "-o")
        self.assert_error(self.mq(source, "-o", self.out, "--opset", "12"), 4, source, "13")
        whole = source.read_bytes()
        for bad in (b"", b"\0", b"no model\n", b"\xff" * 100, b"PK\3\4" + b"\0" * 60, whole[:-1], whole[1:], whole * 2,
                    whole[:40] + b"\xff" * 8 + whole[48:]):
            with self.subTest(bad=bad[:50]):
                wrong.write_bytes(bad)
                self.assert_error(self.mq(wrong, "-o", self.out), 3, wrong)

    def test_a_model_that_is_cut_off_is_an_error(self):
        """At every place: exit status 3 (corrupt, or whole and invalid), 4 where what is left has no weight."""
        whole, wrong = self.save(self.conv_net()).read_bytes(), self.path("wrong.onnx")
        for n in sorted({*range(0, 300), *range(300, len(whole), 97)}):
            with self.subTest(n=n):
                wrong.write_bytes(whole[:n])
                p = self.mq(wrong, "-o", self.out)
                self.assert_error(p, 4 if p.returncode == 4 else 3, wrong)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    MQ = sys.argv.pop(1)
    unittest.main()
