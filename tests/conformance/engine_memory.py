#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Peak memory of `mq run` beside ONNX Runtime's for the same run, batch 1 and batch N.

usage: engine_memory.py MQ FOLDER [MODEL...] [--batch N] [--threads N] [--large] [--markdown FILE]

FOLDER gets the inputs and outputs, and with --large an encoder of the size of bert-base (438 MB) and 3.2 GB of MatMul in external
data (scripts/bench_models.py), unless they are there already. Peaks are what the kernel accounts to a process (ru_maxrss: mapped
pages of files count); `own` is the most memory of its own seen (RssAnon, looked at every millisecond). From ONNX Runtime's peak
that of a Python which only imports it (and numpy) is taken off.

Exit 1 when a run of mq takes more. A process takes some memory before it sees a model: mq's is printed as its floor, and `over
floor` is what the model and the run have added. A run whose whole peak is over ONNX Runtime's, but not what it adds to the floor,
is marked `floor` and is no failure: libraries are what counts in small models."""
import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MAKE_INPUTS = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, onnxruntime as ort
from engine_models import draw
options = ort.SessionOptions()
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
options.log_severity_level = 4
session = ort.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
np.savez(sys.argv[3], **{a.name: draw(np.random.default_rng(7), a, int(sys.argv[4]), int(sys.argv[5])) for a in session.get_inputs()})
"""
IMPORT = "import numpy, onnxruntime"
RUN = """
import sys, numpy as np, onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = int(sys.argv[4])
options.log_severity_level = 4
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
with np.load(sys.argv[2]) as data:
    feeds = {name: data[name] for name in data.files}
outputs = session.run(None, feeds)
np.savez(sys.argv[3], **dict(zip([o.name for o in session.get_outputs()], outputs)))
"""


def status(pid):
    """(peak kB, own kB) of a process as it is now"""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        found = dict(line.split(":", 1) for line in f)
    return int(found.get("VmHWM", "0").split()[0]), int(found.get("RssAnon", "0").split()[0])


def watch(pid, most, done):
    while not done.is_set():
        try:
            most[:] = map(max, most, status(pid))
        except (OSError, IndexError):
            return
        time.sleep(0.001)


def floor_of(mq):
    """The peak of mq before it sees a model: it waits for one on a pipe."""
    waiting = subprocess.Popen([mq, "inspect", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    peak = status(waiting.pid)[0]
    waiting.stdin.close()
    waiting.wait()
    return peak


def run(argv):
    """(peak kB, own kB), or what the process said. In ru_maxrss a child begins with its parent's peak: below that the peak that was
    last seen while it ran counts."""
    most, done = [0, 0], threading.Event()
    with tempfile.TemporaryFile() as said:
        pid = os.posix_spawnp(argv[0], [str(a) for a in argv], os.environ,
                              file_actions=[(os.POSIX_SPAWN_DUP2, said.fileno(), 1), (os.POSIX_SPAWN_DUP2, said.fileno(), 2)])
        watcher = threading.Thread(target=watch, args=(pid, most, done))
        watcher.start()
        _, code, usage = os.wait4(pid, 0)
        done.set()
        watcher.join()
        said.seek(0)
        text = said.read().decode(errors="replace").strip().splitlines()
    mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (usage.ru_maxrss if usage.ru_maxrss > mine else most[0], most[1]) if code == 0 else (text[-1:] or [""])[0][:100]


def large_models(folder):
    found = []
    for name, how in (("bert_base", ("encoder", 12, 768, 30522)), ("mm3200", ("external", 64, 4096, 3072))):
        path = folder / (name + ".onnx")
        if not path.exists():
            subprocess.run([sys.executable, HERE.parents[1] / "scripts" / "bench_models.py", path, *map(str, how)], check=True)
        found.append(path)
    return found


def mb(kb):
    return f"{kb / 1024:.1f}"


def one(args, model, batch, size, base, floor):
    """One line of the table, and whether it is within the bound; None: nothing to compare."""
    data, out = args.folder / "in.npz", args.folder / "out.npz"
    made = run([sys.executable, "-c", MAKE_INPUTS, HERE, model, data, batch, size])
    if isinstance(made, str):
        return None
    theirs = [run([sys.executable, "-c", RUN, model, data, out, args.threads]) for _ in range(args.runs)]
    if any(isinstance(t, str) for t in theirs):
        return None
    ours = [run([args.mq, "run", model, "--data", data, "-o", out, "-f", "-q", "--threads", args.threads]) for _ in range(args.runs)]
    if any(isinstance(o, str) for o in ours):
        return f"| {model.stem} | {batch} | {[o for o in ours if isinstance(o, str)][0]} | | | | | |", True
    peak, own = (max(o[i] for o in ours) for i in (0, 1))
    bound, their_own = min(t[0] for t in theirs) - base[0], min(t[1] for t in theirs) - base[1]
    verdict = "" if peak <= bound else "floor" if peak - floor <= bound else "MORE"
    return (f"| {model.stem} | {batch} | {mb(peak)} | {mb(peak - floor)} | {mb(bound)} | {mb(own)} | {mb(their_own)} | {verdict} |",
            verdict != "MORE")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mq")
    p.add_argument("folder", type=Path)
    p.add_argument("models", nargs="*", type=Path)
    p.add_argument("--batch", type=int, default=8, help="the larger batch")
    p.add_argument("--size", type=int, default=128, help="of other free dims")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--runs", type=int, default=2, help="the largest peak of mq and the smallest of ONNX Runtime count")
    p.add_argument("--large", action="store_true", help="a bert-base and 3.2 GB of MatMul as well")
    p.add_argument("--markdown", type=Path)
    args = p.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    base = run([sys.executable, "-c", IMPORT])
    floor = floor_of(args.mq)
    lines = [f"MB. The floor of mq: {mb(floor)}; of Python with ONNX Runtime: {mb(base[0])} (taken off). {args.threads} threads.", "",
             "| model | batch | mq, peak | over floor | ONNX Runtime | mq, own | ONNX Runtime, own | |",
             "| --- | --: | --: | --: | --: | --: | --: | --- |"]
    print("\n".join(lines), flush=True)
    bad = 0
    for model in args.models + (large_models(args.folder) if args.large else []):
        n_lines = len(lines)
        for batch in (1, args.batch):
            for size in (args.size, 576):
                got = one(args, model, batch, size, base, floor)
                if got:
                    break
            if got:
                lines.append(got[0])
                bad += not got[1]
                print(got[0], flush=True)
        if len(lines) == n_lines:
            print(f"{model.name}: ONNX Runtime does not run it on the drawn inputs", flush=True)
    if args.markdown:
        args.markdown.write_text("\n".join(lines) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
