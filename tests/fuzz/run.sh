#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# Builds a fuzz target with clang, libFuzzer and the address and undefined-behaviour sanitizers, and runs it for a while.
# "model" begins with the models of testdata/ and the corpus beside this script, "run_graph" with graphs/; any finding is a
# failure and its input is kept in BUILD_DIR/findings. Inputs that reached new code stay in BUILD_DIR for the next run.
#
# usage: tests/fuzz/run.sh [SECONDS [BUILD_DIR [TARGET]]]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(realpath "$here/../..")
seconds=${1:-60}
build=${2:-$root/build-fuzz}
target=${3:-model}

if ! command -v clang >/dev/null; then
    echo "fuzz: clang is not installed: skipped"
    exit 77
fi
if [[ ! -f $build/build.ninja ]]; then
    CC=clang meson setup "$build" "$root" -Dfuzz=true -Dopenmp=disabled -Dbuildtype=debugoptimized \
        -Db_sanitize=address,undefined -Db_lundef=false -Dc_args='-fsanitize=fuzzer-no-link -fno-sanitize-recover=all' \
        >/dev/null
fi
ninja -C "$build" "tests/fuzz/fuzz_$target" | tail -1

# libFuzzer reads folders of files: the models of testdata by the hash of their contents.
build=$(realpath "$build")
if [[ $target == model ]]; then
    seeds=$build/seeds corpus=$build/corpus size=65536
    mkdir -p "$seeds"
    find "$root/testdata" "$here/corpus" -type f -name '*.onnx' -size -40k -exec sha1sum {} + | while read -r sum file; do
        cp "$file" "$seeds/$sum"
    done
else
    seeds=$here/graphs corpus=$build/corpus-$target size=512
fi
mkdir -p "$corpus" "$build/findings"

# The folder it runs in is empty, so that no external file is ever found.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:detect_stack_use_after_return=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
"$build/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len="$size" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$build/findings/" -verbosity=1 "$corpus" "$seeds" 2>"$build/log" || {
    grep -v -E '^#[0-9]+\s' "$build/log" | tail -60
    echo "fuzz: a finding: its input is in $build/findings"
    exit 1
}
grep -E '^stat::(number_of_executed_units|slowest_unit_time_sec|peak_rss_mb)' "$build/log"
