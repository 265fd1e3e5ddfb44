#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# examples/ci/gate.sh: a slower model, a larger one and a less accurate one are each refused; an equal one passes.
# Environment: as scratch.sh.
set -euo pipefail
source "$(dirname "$0")/scratch.sh"
step=$ROOT/examples/ci/gate.sh
cnn=$ROOT/testdata/digits_cnn.onnx
mlp=$ROOT/testdata/digits_mlp.onnx
data=(--data "$ROOT/testdata/digits.npz:test_x" --labels "$ROOT/testdata/digits.npz:test_y" --preprocess scale=1/16 --batch 50)
unset MIN_SPEEDUP MAX_SIZE MAX_DROP THREADS REPORTS

# expect STATUS MISSED ARGS...: MISSED is the one bound that has to be named, or "none"
expect() {
    local want=$1 missed=$2 status=0
    shift 2
    : >summary.md
    GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY=$PWD/summary.md "$step" "$@" --runs 40 >log 2>&1 || status=$?
    [[ $status == "$want" ]] || fail "status $status, expected $want: $(cat log)"
    [[ $(grep -o '^::error title=mq bench::[^ ]*' log | sed 's/.*:://' | sort -u) == "${missed#none}" ]] ||
        fail "expected $missed to be missed: $(cat log)"
    grep -q '^## mq bench' summary.md || fail "no summary: $(cat summary.md)"
    [[ -s reports/bench.json && -s reports/bench.xml ]] || fail 'no reports'
}

# the machine decides how fast one model is beside itself: no more is asked of equal ones than half
export MIN_SPEEDUP=0.5
expect 0 none "$cnn" "$cnn" "${data[@]}"
MIN_SPEEDUP=10 MAX_SIZE=none expect 1 min-speedup "$mlp" "$cnn" # it is the slower one, on any machine
export MIN_SPEEDUP=0.001
expect 1 max-size "$mlp" "$cnn"
mq quantize "$cnn" -o rough.onnx -q --type int2 --ends-type int2 --per-tensor --max-size none
expect 1 max-drop "$cnn" rough.onnx "${data[@]}"
