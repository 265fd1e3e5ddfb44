#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""How often the interval that mq bench gives for a median holds the median of a second run.

Starts mq bench on each model in processes of their own, one after the other (models in turns, so that the two runs of a
pair lie some time apart), and counts over all neighbouring pairs, in both directions. The promise is 90 of 100 at least.
With two models at a time, the same for the interval of the speedup.

usage: bench_coverage.py MQ MODEL... [--pairs 20] [--arg=-j1] [--arg=--runs=50] [--speedup]
"""
import argparse
import json
import subprocess
import sys


def rows(mq, models, extra):
    done = subprocess.run([mq, "bench", *models, "--json", "-q", *extra], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"mq bench {' '.join(models)}: exit status {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)["latency"]


def figure(row, speedup):
    """The value and its interval."""
    if speedup:
        return row["speedup"]["value"], row["speedup"]["ci95"]
    return row["ms"]["median"], row["ms"]["ci95"]


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("mq")
    args.add_argument("models", nargs="+")
    args.add_argument("--pairs", type=int, default=20, help="neighbouring pairs of each model")
    args.add_argument("--arg", action="append", default=[], help="further options of mq bench")
    args.add_argument("--speedup", action="store_true", help="all models in one process; the interval of the speedup")
    o = args.parse_args()
    groups = [o.models] if o.speedup else [[m] for m in o.models]
    seen = {}
    for _ in range(o.pairs + 1):
        for models in groups:
            for row in rows(o.mq, models, o.arg)[1 if o.speedup else 0:]:
                seen.setdefault(row["model"], []).append(figure(row, o.speedup))
    held = total = 0
    for model, runs in seen.items():
        pairs = [(a, b) for x, y in zip(runs, runs[1:]) for a, b in ((x, y), (y, x))]
        n = sum(a[1][0] <= b[0] <= a[1][1] for a, b in pairs)
        half = sorted((hi - lo) / 2 / v for v, (lo, hi) in runs)[len(runs) // 2]
        values = sorted(v for v, _ in runs)
        print(f"{model}: {n} of {len(pairs)} held, half width {100 * half:.1f} %, "
              f"from {values[0]:.5g} to {values[-1]:.5g}, median {values[len(values) // 2]:.5g}", flush=True)
        held += n
        total += len(pairs)
    print(f"{held} of {total} ({100 * held / total:.1f} %)")
    return held < 0.9 * total


if __name__ == "__main__":
    sys.exit(main())
