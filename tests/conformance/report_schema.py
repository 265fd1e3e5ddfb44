# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Reports follow docs/report.schema.json, strictly and in its order, whatever the command comes to.

usage: report_schema.py MQ SCHEMA MODEL...
"""
import html.parser
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import jsonschema

mq, schema_file, *models = sys.argv[1:]
schema = json.load(open(schema_file))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
bad = 0


def complain(command, text):
    global bad
    bad += 1
    print(f"{' '.join(command)}: {text}")


def report_of(command):
    run = subprocess.run(command, capture_output=True)
    if run.returncode == 2 and not run.stdout:  # the wish was refused: no report, docs/report.md
        return None
    try:
        report = json.loads(run.stdout)
    except ValueError as e:
        complain(command, f"exit {run.returncode}, no JSON: {e}")
        return None
    for error in validator.iter_errors(report):
        complain(command, f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}")
    order = [key for key in schema["properties"] if key in report]
    if list(report) != order:
        complain(command, f"members stand as {list(report)}")
    return report


def check_junit(command):
    run = subprocess.run(command, capture_output=True)
    if run.returncode == 2:
        return
    try:
        suites = xml.etree.ElementTree.fromstring(run.stdout)
        if int(suites.get("tests")) != len(suites.findall(".//testcase")):
            complain(command, "counts its cases wrongly")
    except xml.etree.ElementTree.ParseError as e:
        complain(command, f"no XML: {e}")


def check_markdown(command):
    text = subprocess.run(command, capture_output=True).stdout.decode()  # UTF-8 or an exception
    if len(text.encode()) >= 60000 or text.count("<details") != text.count("</details>"):
        complain(command, "too long, or a fold without an end")


class Balanced(html.parser.HTMLParser):
    """What is open, innermost last; `broken` once an end has no beginning."""

    def __init__(self):
        super().__init__()
        self.open, self.broken = [], False

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        self.broken |= not self.open or self.open.pop() != tag


def check_html(command):
    run = subprocess.run(command, capture_output=True)
    if run.returncode == 2:
        return
    page = Balanced()
    page.feed(run.stdout.decode())
    page.close()
    if page.broken or page.open or not run.stdout.endswith(b"</html>\n"):
        complain(command, f"the page is not well-formed, open at its end: {page.open}")


with tempfile.TemporaryDirectory() as scratch:
    for model in models:
        for command in (
            [mq, "inspect", model],
            [mq, "inspect", model, "--tensors", "*", "--nodes", "*"],
            [mq, "check", model],
            [mq, "quantize", model, "-o", f"{scratch}/out.onnx", "-f"],
            [mq, "quantize", model, "-o", f"{scratch}/out.onnx", "--dry-run"],
            [mq, "quantize", model, "-o", f"{scratch}/out.onnx", "-f", "--verify", "run", "--min-sqnr", "20"],
            [mq, "quantize", model, "-o", f"{scratch}/out.onnx", "-f", "--data", "random:3"],
            [mq, "convert", model, "-o", f"{scratch}/out.onnx", "-f"],
            [mq, "convert", model, "-o", f"{scratch}/out.onnx", "-f", "--precision", "fp16", "--max-size", "10%"],
            [mq, "convert", model, "--dry-run", "--opset", "latest", "-O3"],
            [mq, "prune", model, "-o", f"{scratch}/out.onnx", "-f", "--sparsity", "0.5"],
            [mq, "prune", model, "-o", f"{scratch}/out.onnx", "-f", "--sparsity", "0.9", "--storage", "sparse",
             "--no-keep-ends"],
            [mq, "prune", model, "--dry-run", "--pattern", "2:4", "--max-size", "10%"],
            [mq, "inspect", f"{scratch}/out.onnx", "--tensors", "*"],
            [mq, "quantize", model, "-o", f"{scratch}/out.onnx", "-f", "--data", "random:3"],
            [mq, "split", model, "-o", f"{scratch}/parts", "-f"],
            [mq, "merge", model, model, "-o", f"{scratch}/merged.onnx", "-f", "--average"],
            [mq, "diff", model, f"{scratch}/merged.onnx"],
            [mq, "run", model],
            [mq, "run", model, "--data", "random:3", "-o", f"{scratch}/out.npz", "-f"],
            [mq, "check", model, "--against", model, "--tensors", "*"],
            [mq, "check", f"{scratch}/out.onnx", "--against", model, "--tensors", "*", "--min-sqnr", "40"],
            [mq, "check", f"{scratch}/out.onnx", "--against", model, "--layers", "--min-sqnr", "10"],
        ):
            first, second = report_of(command + ["--json"]), report_of(command + ["--json"])
            if first and second:
                del first["measured"], second["measured"]
                if first != second:
                    complain(command, "two reports differ")
            check_junit(command + ["--report", "junit:-"])
            check_markdown(command + ["--report", "md:-"])
            check_html(command + ["--report", "html:-"])
        bench = [mq, "bench", model, model, "--runs", "5", "--warmup", "1"]
        for command in (
            bench[:3] + bench[4:],
            bench + ["-j", "1,2", "--profile", "--trace", f"{scratch}/trace.json"],
            bench + ["--max-latency", "1h", "--min-speedup", "0.001", "--max-size", "100%", "--max-macs", "1", "--max-ram", "1"],
            bench + ["--metric", "agreement", "--max-drop", "1%", "--min-sqnr", "20"],
            bench + ["--eval-cmd", "echo 1", "--min-metric", "2"],
        ):  # nearly all of it is measured, so no two are the same
            report_of(command + ["--json"])
            check_junit(command + ["--report", "junit:-"])
            check_markdown(command + ["--report", "md:-"])
            check_html(command + ["--report", "html:-"])
    digits = os.path.join(os.path.dirname(models[0]), "digits")
    train = [mq, "distill-export", f"{digits}_cnn.onnx", "--data", f"{digits}.npz:train_x", "--labels",
             f"{digits}.npz:train_y", "--preprocess", "scale=1/16", "--samples", "128", "--epochs", "2", "-o",
             f"{scratch}/student.onnx", "-f"]
    for command in (train, train + ["--control", "--quantize"], train + ["--students", "2", "--max-macs", "10%"],
                    train + ["--dry-run"]):
        first, second = report_of(command + ["--json"]), report_of(command + ["--json"])
        if first and second:
            del first["measured"], second["measured"]
            if first != second:
                complain(command, "two reports differ")
        check_junit(command + ["--report", "junit:-"])
        check_markdown(command + ["--report", "md:-"])
        check_html(command + ["--report", "html:-"])
    broken = f"{scratch}/broken.onnx"
    open(broken, "wb").write(b"not a model")
    for command in ([mq, "inspect", broken], [mq, "inspect", f"{scratch}/missing.onnx"]):
        report = report_of(command + ["--json"])
        if report and report["verdict"] != "error":
            complain(command, "a broken file without the verdict 'error'")

print(f"{len(models)} models, {bad} complaints")
sys.exit(bad > 0)
