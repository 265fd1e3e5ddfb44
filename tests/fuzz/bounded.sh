#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# Runs a program of mutations.c with so many inputs, which are always the same ones, so that a finding is the fault of the
# change that shows it. A finding is a failure, and its input is kept in the folder FINDINGS.
#
# usage: tests/fuzz/bounded.sh PROGRAM FINDINGS COUNT FILE|FOLDER...
set -euo pipefail
program=$(realpath "$1") findings=$2 count=$3
shift 3
mkdir -p "$findings"

# The folder it runs in is empty, so that no external file is ever found.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/run"
cd "$scratch/run"
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:max_allocation_size_mb=512:detect_stack_use_after_return=0:hard_rss_limit_mb=2048
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
if ! "$program" "$count" "$findings/${program##*/}" "$@" >"$scratch/log" 2>&1; then
    tail -60 "$scratch/log"
    echo "fuzz: a finding: its input is in $findings"
    exit 1
fi
tail -1 "$scratch/log"
