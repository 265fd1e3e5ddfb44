#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# examples/ci: the step on a good model, with a missed bound, on a broken model and on one that is not there.
# Environment: as scratch.sh.
set -euo pipefail
source "$(dirname "$0")/scratch.sh"
step=$ROOT/examples/ci/quantize.sh
grep -q 'mq/examples/ci/quantize.sh ' "$ROOT/examples/ci/workflow.yml" || fail 'the workflow does not run the step'

# expect STATUS ARGS...: as on GitHub
expect() {
    local want=$1 status=0
    shift
    : >summary.md
    GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY=$PWD/summary.md "$step" "$@" >log 2>&1 || status=$?
    ((status == want)) || fail "$*: exit status $status, not $want: $(cat log)"
}

expect 0 "$ROOT/testdata/digits_cnn.onnx" out.onnx
mq check -q out.onnx
grep -q '^## mq check: pass' summary.md || fail 'the summary has no check'
grep -q '^## mq quantize: pass' summary.md || fail 'the summary has no quantize'
grep -q '<testsuite .*failures="0"' reports/quantize.xml || fail 'JUnit of a good run'
! grep -q '::error' log || fail 'an annotation without an error'
"$step" "$ROOT/testdata/digits_cnn.onnx" plain.onnx >/dev/null
cmp out.onnx plain.onnx

expect 1 "$ROOT/testdata/digits_cnn.onnx" small.onnx 1K
[[ ! -e small.onnx ]] || fail 'a missed bound left the model'
grep -q '^::error .*max-size' log || fail 'the missed bound is not annotated'
grep -q '^## mq quantize: fail' summary.md || fail 'the summary does not say that the bound is missed'
grep -q '<failure ' reports/quantize.xml || fail 'JUnit of a missed bound'

expect 1 "$ROOT/testdata/bad/cycle.onnx" cycle.onnx
[[ ! -e cycle.onnx && ! -e reports/quantize.xml ]] || fail 'an invalid model was quantized'
grep -q '<failure ' reports/check.xml || fail 'JUnit of an invalid model'

expect 3 missing.onnx missing.int8.onnx
grep -q '::error .*missing.onnx' log || fail 'the missing file is not annotated'
expect 2 "$ROOT/testdata/digits_cnn.onnx" out.onnx 4X
