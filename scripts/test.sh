#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
#
# Builds and runs every test. Takes no input, can be run again at will, and installs what is missing.
#
#   scripts/test.sh            everything, with fuzzing and conformance bounded: under 30 minutes on 2 cores
#   scripts/test.sh --long     long fuzzing and the full conformance runs; gradients beside torch's, where MQ_TORCH_PYTHON
#                              (default python3) is a Python that has torch
#   scripts/test.sh --quick    one build and its tests
#
# Builds go to build-test/ (MQ_TEST_DIR changes that). Real models in ../shared/data (MQ_SHARED_DATA) are used when they
# are there; what needs them says that it skips when they are not.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=${1:-}
case $mode in
'' | --long | --quick) ;;
*)
    echo "usage: test.sh [--long|--quick]" >&2
    exit 2
    ;;
esac
out=${MQ_TEST_DIR:-$PWD/build-test}
mkdir -p "$out"
out=$(cd "$out" && pwd)
data=${MQ_SHARED_DATA:-$PWD/../shared/data}
passed=0
failed=0

# step NAME COMMAND...: runs it, keeps its output in a file, shows the end of it when it fails.
step() {
    local name=$1 log=$out/$1.log start=$SECONDS
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        printf 'ok    %-28s %4d s  %s\n' "$name" $((SECONDS - start)) "$(summary "$log")"
    else
        failed=$((failed + 1))
        printf 'FAIL  %-28s %4d s  (%s)\n' "$name" $((SECONDS - start)) "$log"
        (grep -v '^ok  ' "$log" || true) | tail -40 | cut -c 1-300 | sed 's/^/    | /'
    fi
}

# The last line of a log that sums something up.
summary() {
    grep -E '^(Ok:|[0-9]+ (models|passed|files|runs|raises)|.*skipped)' "$1" | tail -1 | tr -s ' ' || true
}

# build NAME COMPILER [MESON OPTIONS...]
build() {
    local name=$1 cc=$2
    shift 2
    if [ ! -f "$out/$name/build.ninja" ]; then
        CC=$cc meson setup "$out/$name" --werror "$@" || return 1
    fi
    ninja -C "$out/$name"
}

# tests NAME [SUITES...]: the tests of a build.
tests() {
    local name=$1
    shift
    meson test -C "$out/$name" --print-errorlogs --timeout-multiplier 4 "$@"
}

# The builds and what they are compared with; a full disk looks like a hundred other faults.
room=$(df -Pk "$out" | awk 'NR == 2 { print int($4 / 1024) }')
if [ "$room" -lt 7000 ]; then
    echo "test.sh: $out: $room MB are free, and a whole run takes up to 7000" >&2
fi

echo '== packages'
./scripts/packages.sh test

echo '== gcc'
step build-gcc build gcc gcc --buildtype=release
step test-gcc tests gcc
if [ "$mode" != --quick ]; then
    echo '== clang, address and undefined-behaviour sanitizers'
    export ASAN_OPTIONS=detect_stack_use_after_return=1:allocator_may_return_null=1
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
    # Lines for stack traces, but no more: the programs take 4 GB as it is.
    step build-sanitized build sanitized clang -Db_sanitize=address,undefined -Db_lundef=false -Ddebug=false \
        -Doptimization=2 -Dc_args=-gline-tables-only
    step test-sanitized tests sanitized

    echo '== without options'
    step build-plain build plain gcc --buildtype=release -Dopenmp=disabled -Donednn=disabled
    step test-plain tests plain --suite unit

    if [ "$mode" = --long ]; then # a bounded run is among the tests
        echo '== fuzzing'
        step fuzz ./tests/fuzz/run.sh 3600 "$out/fuzz"
        step fuzz-graphs ./tests/fuzz/run.sh 3600 "$out/fuzz" run_graph
    fi

    echo '== conformance'
    step venv ./tests/conformance/venv.sh "$out/venv"
    step conformance ./tests/conformance/run.sh "$out/venv" "$out/gcc" "$out/conformance" "$data" "$mode"
    for name in sanitized plain; do # the other builds run the same node tests
        step nodes-$name "$out/venv/bin/python" tests/conformance/engine_nodes.py "$out/$name/tools/mq" "$out/conformance/nodes" \
            docs/engine-operators.md
    done

    echo '== installation'
    step install ./tests/install.sh "$out/gcc" "$out/installed"
fi

echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
