#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# Builds a fuzz target with clang and the address and undefined-behaviour sanitizers, and runs it. "model" begins with the
# models of testdata/ and the corpus beside this script, "run_graph" with graphs/. libFuzzer looks for something new: its seed
# is drawn and printed (MQ_FUZZ_SEED sets it), and inputs that reached new code stay in BUILD_DIR for the next run. Any finding
# is a failure, and its input is kept in BUILD_DIR/findings. The tests run other inputs, always the same ones: bounded.sh.
#
# usage: tests/fuzz/run.sh [SECONDS [BUILD_DIR [TARGET]]]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(realpath "$here/../..")
length=${1:-60}
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
build=$(realpath "$build")
program=$build/tests/fuzz/fuzz_$target
log=$build/log-$target
mkdir -p "$build/findings"
if [[ $target == model ]]; then
    from=("$root/testdata" "$here/corpus") names='*.onnx' size=65536
else
    from=("$here/graphs") names='*' size=512
fi

# The folder it runs in is empty, so that no external file is ever found.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/run"
cd "$scratch/run"
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:max_allocation_size_mb=512:detect_stack_use_after_return=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

found() {
    grep -v -E '^#[0-9]+\s' "$log" | tail -60
    echo "fuzz: a finding: its input is in $build/findings"
    exit 1
}

# libFuzzer reads folders of files: the models of testdata by the hash of their contents.
seeds=$scratch/seeds corpus=$build/corpus-$target
mkdir -p "$seeds" "$corpus"
find "${from[@]}" -type f -name "$names" -size -40k -exec sha1sum {} + | while read -r sum file; do
    cp "$file" "$seeds/$sum"
done
seed=${MQ_FUZZ_SEED:-$((RANDOM * 32768 + RANDOM + 1))}
echo "fuzz: $target, seed $seed"
"$program" -seed="$seed" -max_total_time="$length" -max_len="$size" -rss_limit_mb=2048 -timeout=25 -print_final_stats=1 \
    -artifact_prefix="$build/findings/" -verbosity=1 "$corpus" "$seeds" 2>"$log" || found
grep -E '^stat::(number_of_executed_units|slowest_unit_time_sec|peak_rss_mb)' "$log"
