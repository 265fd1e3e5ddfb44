#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
#
# From a clone to a first quantized model: installs the packages that are missing, builds a release into build/, quantizes
# a model of testdata/ and shows its report. Can be run again at will.
set -eu
cd "$(dirname "$0")/.."

echo '== 1. packages'
./scripts/packages.sh build

echo '== 2. build (build/)'
if [ ! -f build/build.ninja ]; then
    meson setup build --buildtype=release -Dtests=disabled >/dev/null
fi
ninja -C build --quiet

echo '== 3. mq quantize testdata/digits_cnn.onnx -o build/digits_cnn.int8.onnx'
./build/tools/mq quantize testdata/digits_cnn.onnx -o build/digits_cnn.int8.onnx -f --report build/digits_cnn.md

echo
echo '== 4. the report (build/digits_cnn.md)'
cat build/digits_cnn.md

echo
echo "Done. Next: ./build/tools/mq inspect YOUR.onnx   (meson install -C build puts mq on your PATH)"
