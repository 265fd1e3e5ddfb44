#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
#
# What the libraries export: the shared one all functions that the public headers declare and only mq_ names, the static one
# also the generated onnx__ ones; and no global that can be written to, but for
# the instruction set, which belongs to the process. clang adds a lock for reductions of OpenMP, of one
# name in every library. Usage: symbols.sh LIBMQ.so LIBMQ.a
set -eu
bad=$(nm -D --defined-only "$1" | awk '$3 !~ /^(mq_|\.gomp_critical_)/ { print $3 }')
if [ -n "$bad" ]; then
    echo "symbols: exported by the shared library:" $bad
    exit 1
fi
bad=$(nm --defined-only "$2" 2>/dev/null | awk '$2 ~ /^[A-TV-Z]$/ && $3 !~ /^(mq_|onnx__|\.gomp_critical_|__odr_asan|__asan|__ubsan|__start_|__stop_)/ { print $3 }')
if [ -n "$bad" ]; then
    echo "symbols: global in the static library:" $bad
    exit 1
fi
bad=$(objdump -t "$2" 2>/dev/null | awk '/ O / && $(NF - 2) ~ /^\.(data|bss)$/ && $NF !~ /^(__|onnx__|\.gomp_critical_)/ && $NF !~ /^mq_isa_state$/ { print $NF }')
if [ -n "$bad" ]; then
    echo "symbols: writable data in the library:" $bad
    exit 1
fi
declared=$(cat "$(dirname "$0")"/../../include/mq/*.h | tr '\n' ' ' | grep -oE 'MQ_API [^;{]*\(' | grep -oE 'mq_[a-z0-9_]+\($' |
    tr -d '(' | sort -u)
exported=" $(nm -D --defined-only "$1" | awk '{ print $3 }' | tr '\n' ' ') "
for name in $declared; do
    case $exported in
    *" $name "*) ;;
    *)
        echo "symbols: $name is declared in include/mq, but the shared library does not export it"
        exit 1
        ;;
    esac
done
