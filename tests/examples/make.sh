#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# examples/make: what is made, that a second make does nothing, what is made anew, and what a missed bound leaves behind.
# Environment: as scratch.sh, and EXTERNALIZE (the program beside).
set -euo pipefail
source "$(dirname "$0")/scratch.sh"
command -v make >/dev/null || { echo 'no make: skipped'; exit 77; }

cp "$ROOT/examples/make/Makefile" .
mkdir models
cp "$ROOT/testdata/digits_cnn.onnx" models/cnn.onnx
"$EXTERNALIZE" "$ROOT/testdata/digits_mlp.onnx" models/mlp.onnx

# made TEXT FILES...: make has work to do, and FILES are newer than before.
made() {
    local why=$1
    shift
    touch mark
    sleep 0.05 # the clock of files has steps
    make >make.log 2>&1 || fail "$why: $(cat make.log)"
    for file in "$@"; do
        [[ $file -nt mark ]] || fail "$why: $file was not made anew"
    done
}

# older FILES...: as if they had been made long ago.
older() {
    touch -d '1 hour ago' "$@"
}

outputs=(build/cnn.int8.onnx build/mlp.int8.onnx build/mlp.int8.onnx.data)
older models/*
made 'first make' "${outputs[@]}" build/cnn.md build/mlp.json build/cnn.d
[[ ! -e build/cnn.int8.onnx.data ]] || fail 'a data file without need'
[[ $(grep -c 'quantize' make.log) == 2 ]] || fail "mq did not run once for each model: $(cat make.log)"
mq check build/mlp.int8.onnx -q

make -q || fail 'a second make has something to do'
[[ $(make) == *'Nothing to be done'* ]] || fail 'a second make does something'

older build/* models/*
touch -d '30 minutes ago' models/mlp.onnx.data
made 'newer external data' build/mlp.int8.onnx build/mlp.int8.onnx.data
[[ $(grep -c quantize make.log) == 1 ]] || fail 'newer external data: mq did not run once'
make -q || fail 'newer external data: not settled'

rm build/mlp.int8.onnx.data
made 'a lost data file' build/mlp.int8.onnx build/mlp.int8.onnx.data
make -q || fail 'a lost data file: not settled'

rm -r build
if make -k MAX_SIZE=1K >make.log 2>&1; then
    fail 'make succeeded though a bound is missed'
fi
grep -q 'max-size: asked' make.log || fail "the bound is not named: $(cat make.log)"
for file in "${outputs[@]}"; do
    [[ ! -e $file ]] || fail "a missed bound left $file"
done
[[ -e build/cnn.md ]] || fail 'a missed bound left no report'
made 'after a missed bound' "${outputs[@]}"
