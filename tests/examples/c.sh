#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# examples/c: built with pkg-config against an installed tree, and run. Environment: as scratch.sh. Usage: c.sh BUILD
set -euo pipefail
source "$(dirname "$0")/scratch.sh"
build=${1:?the build folder}
for tool in make meson pkg-config cc; do
    command -v $tool >/dev/null || { echo "no $tool: skipped"; exit 77; }
done
if [[ $(nm -D "$build"/src/libmq.so) =~ U\ __(asan|tsan|ubsan|msan)_ ]]; then
    echo 'the library is built with sanitizers: skipped'
    exit 77
fi

DESTDIR= meson install -C "$build" --no-rebuild --quiet --tags devel,runtime --destdir "$scratch/tree" >install.log 2>&1 ||
    fail "$(cat install.log)"
pc=$(find "$scratch/tree" -name mq.pc)
lib=$(dirname "$(dirname "$pc")")
cp "$ROOT"/examples/c/* .
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$scratch/tree
make CFLAGS='-O2 -Wall -Wextra -Werror' >make.log 2>&1 || fail "$(cat make.log)"
export LD_LIBRARY_PATH=$lib

./quantize "$ROOT/testdata/digits_cnn.onnx" out.onnx >out.txt 2>err.txt || fail "$(cat err.txt)"
grep -q '^verdict  pass' out.txt || fail "no report: $(cat out.txt)"
mq quantize "$ROOT/testdata/digits_cnn.onnx" -o same.onnx -q
cmp out.onnx same.onnx || fail 'the program and the library give different bytes'

./quantize "$ROOT/testdata/digits_cnn_opset9.onnx" out9.onnx >/dev/null 2>err.txt
grep -q '\[opset-raised\]' err.txt || fail 'the warning hook was not called'
if ./quantize "$ROOT/testdata/bad/cycle.onnx" bad.onnx >out.txt 2>&1 || [[ -e bad.onnx ]]; then
    fail 'an invalid model was quantized'
fi
grep -q '\[cycle\]' out.txt || fail 'the finding is not printed'
./run "$ROOT/testdata/digits_cnn.onnx" >out.txt 2>err.txt || fail "$(cat err.txt)"
grep -qE "^logits float\[3,10\]" out.txt || fail "no output: $(cat out.txt)"
if ./run "$ROOT/testdata/bad/cycle.onnx" >out.txt 2>err.txt; then
    fail 'an invalid model was run'
fi
if ./quantize missing.onnx bad.onnx 2>err.txt >out.txt; then
    fail 'a missing model was quantized'
fi
grep -q "error: .*missing.onnx.*(input)" err.txt || fail "$(cat err.txt)"
