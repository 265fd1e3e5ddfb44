#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
#
# The program's own OpenMP runtime answers for all that the compiler makes of the pragmas: nothing is left to libgomp, which
# would know nothing of the threads. Usage: runtime.sh MQ
set -eu
left=$(nm -D --undefined-only "$1" | awk '$2 ~ /^(GOMP_|omp_)/ { print $2 }')
if [ -n "$left" ]; then
    echo "runtime: tools/openmp.c lacks" $left
    exit 1
fi
for name in GOMP_parallel GOMP_barrier omp_get_thread_num; do # what oneDNN calls must be seen by it
    nm -D --defined-only "$1" | grep -q " T $name\$" || { echo "runtime: $name is not exported"; exit 1; }
done
