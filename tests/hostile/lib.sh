# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# What the scripts of this folder share; to be sourced. Environment: MQ (the program), TESTDATA, TOOLS (the folder with
# make_models and libfailing.so). Each works in an empty folder and counts what is not as it should be.
set -u
: "${MQ:?the program to test}" "${TESTDATA:?the folder testdata}" "${TOOLS:?the folder with make_models}"
MQ=$(realpath "$MQ") TESTDATA=$(realpath "$TESTDATA") TOOLS=$(realpath "$TOOLS")
unset NO_COLOR MQ_THREADS OMP_NUM_THREADS MQ_ISA TMPDIR
export LC_ALL=C.UTF-8 ASAN_OPTIONS=${ASAN_OPTIONS-detect_leaks=1:allocator_may_return_null=1:handle_segv=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1:halt_on_error=1}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 2
failures=0 cases=0

# Is the program built with AddressSanitizer? Then it cannot share a process with libfailing.so, nor live in little memory.
sanitized() {
    grep -q __asan_init "$MQ"
}

wrong() {
    echo "FAILED: $*"
    [[ -s $scratch/.err ]] && head -c 1500 "$scratch/.err"
    failures=$((failures + 1))
}

# run WHAT ALLOWED COMMAND...: runs it for at most 10 s (LIMIT); its status has to be one of the list ALLOWED ("0 3"), and
# no sanitizer may have spoken. The status is in $status, what it printed in .out and .err.
run() {
    local what=$1 allowed=$2
    shift 2
    status=0
    cases=$((cases + 1))
    timeout "${LIMIT:-10}" "$@" >"$scratch/.out" 2>"$scratch/.err" </dev/null || status=$?
    if [[ " $allowed " != *" $status "* ]]; then
        wrong "$what: exit status $status, allowed are: $allowed"
    elif grep -q -E 'Sanitizer|runtime error' "$scratch/.err"; then
        wrong "$what: a sanitizer has a report"
    elif ((status >= 2)) && [[ ! -s $scratch/.err ]]; then
        wrong "$what: exit status $status without a word"
    fi
}

# says TEXT: the last run has said it
says() {
    grep -q -F -e "$1" "$scratch/.err" || wrong "the message lacks '$1'"
}

# only FOLDER NAMES...: nothing else is in the folder
only() {
    local folder=$1 have
    shift
    have=$(cd "$folder" && ls -A | sort | tr '\n' ' ')
    [[ $have == "$(printf '%s\n' "$@" | sort | tr '\n' ' ')" ]] || wrong "in '$folder' there is: $have"
}

finish() {
    echo "$cases runs, $failures failed"
    exit $((failures > 0))
}
