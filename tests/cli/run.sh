#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# Runs the tests of the command line. Each is a script GROUP/NAME.sh, run with `bash -eu` in an empty scratch folder, one
# fact per script. What it prints and its exit status are compared with files beside it:
#   NAME.stdout.exact, NAME.stdout.glob (a bash pattern for the whole text), NAME.stdout.ignore; the same for stderr;
#   NAME.exit (a number).
# Without them it has to be silent and exit with 0. Environment of a script: MQ (the program), TESTDATA, and a PATH that
# begins with links to the program by the names of its commands.
#
# usage: MQ=build/tools/mq TESTDATA=testdata tests/cli/run.sh [--update] [GROUP | GROUP/NAME]...
# --update writes what came out into the .exact and .exit files (never over a .glob).
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${MQ:?the program to test}" "${TESTDATA:=$here/../../testdata}"
MQ=$(realpath "$MQ")
TESTDATA=$(realpath "$TESTDATA")
update=0
if [[ ${1-} == --update ]]; then
    update=1
    shift
fi

# No locale, no colour, nothing from the caller's environment that mq reads.
export MQ TESTDATA LC_ALL=C.UTF-8
unset NO_COLOR MQ_THREADS OMP_NUM_THREADS MQ_ISA MQ_PYTHON
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
for name in mq mq-quantize mq-inspect mq-check mq-run mq-bench mq-convert mq-split mq-merge mq-diff \
            mq-distill-export mq-prune; do
    ln -s "$MQ" "$work/bin/$name"
done
export PATH="$work/bin:$PATH"

# compare TEST STREAM: is $work/STREAM what the files beside the script say?
compare() {
    local test=$1 stream=$2 expected=
    if [[ -e $test.$stream.ignore ]]; then
        return 0
    fi
    if [[ -e $test.$stream.glob ]]; then
        # shellcheck disable=SC2053 # a pattern is what is wanted
        [[ $(<"$work/$stream") == $(<"$test.$stream.glob") ]] && return 0
        echo "  $stream does not match $test.$stream.glob:"
        sed 's/^/    /' "$work/$stream"
        return 1
    fi
    if ((update)); then
        if [[ -s $work/$stream ]]; then
            cp "$work/$stream" "$test.$stream.exact"
        else
            rm -f "$test.$stream.exact"
        fi
        return 0
    fi
    expected=/dev/null
    [[ -e $test.$stream.exact ]] && expected=$test.$stream.exact
    diff -u --label "expected $stream" --label "$stream" "$expected" "$work/$stream" | sed 's/^/    /'
    return "${PIPESTATUS[0]}"
}

# run_one TEST: the script's path without .sh
run_one() {
    local test=$1 want=0 got=0 failed=0
    rm -rf "$work/scratch"
    mkdir "$work/scratch"
    (cd "$work/scratch" && timeout "${MQ_TEST_TIMEOUT:-60}" bash -eu "$test.sh" </dev/null) \
        >"$work/stdout" 2>"$work/stderr" || got=$?
    [[ -e $test.exit ]] && want=$(<"$test.exit")
    if ((update)); then
        if ((got)); then echo "$got" >"$test.exit"; else rm -f "$test.exit"; fi
        want=$got
    fi
    if ((got != want)); then
        echo "  exit status $got, expected $want"
        failed=1
    fi
    compare "$test" stdout || failed=1
    compare "$test" stderr || failed=1
    return $failed
}

tests=()
(($#)) || set -- "$here"/*/
for what in "$@"; do
    what=${what%/}
    [[ $what == /* ]] || what=$here/$what
    if [[ -d $what ]]; then
        tests+=("$what"/*.sh)
    else
        tests+=("${what%.sh}.sh")
    fi
done

failures=0
for script in "${tests[@]}"; do
    if ! output=$(run_one "${script%.sh}"); then
        echo "FAILED ${script#"$here"/}"
        echo "$output"
        ((failures++))
    fi
done
echo "${#tests[@]} tests, $failures failed"
((failures == 0))
