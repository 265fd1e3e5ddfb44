#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# Every n-th allocation, write, read or rename fails, alone or with all that follow: exit 5 with a sentence or success,
# never a signal; the old output whole or the new one, nothing left behind; model and data file never of two runs.
# usage: faults.sh [STEP]: with 1 each n is tried, else (default 5) every STEP-th behind the first hundred
. "$(dirname "$0")/lib.sh"
step=${1:-5}

if sanitized; then
    echo 'not under AddressSanitizer: it brings an allocator of its own'
    exit 77
fi
preload=$TOOLS/libfailing.so
model=$TESTDATA/odd/conv_grouped.onnx
mkdir work

# The number of calls of that kind in a run.
count() {
    local kind=$1
    shift
    FAIL_COUNT=$scratch/.count FAIL_CALL=$kind FAIL_AT=0 LD_PRELOAD=$preload "$@" >/dev/null 2>&1 </dev/null
    cat "$scratch/.count"
}

# old: puts the output of an earlier run in place
old_model() {
    rm -rf work
    cp -r before work
}

# as_one WHAT: work holds the old pair, the new pair, or no model
as_one() {
    local state=mixed
    if [[ ! -e work/out.onnx ]]; then
        state=none
    elif cmp -s work/out.onnx before/out.onnx && { [[ ! -e before/w.data ]] || cmp -s work/w.data before/w.data; }; then
        state=old
    elif cmp -s work/out.onnx after/out.onnx && { [[ ! -e after/w.data ]] || cmp -s work/w.data after/w.data; }; then
        state=new
    fi
    [[ $state != mixed ]] || wrong "$1: model and data do not belong together"
    ((status)) || [[ $state == new ]] || wrong "$1: success without the new model ($state)"
    # after a failed report the model stays in place, which is said
    ((status == 0)) || [[ $state != new ]] || grep -q 'stays in place' .err || wrong "$1: the model was replaced by a failure"
}

# each KIND COMMAND...: FAIL_CALL=KIND at every n
each() {
    local kind=$1 n total all
    shift
    total=$(count "$kind" "$@")
    for all in '' 1; do
        for ((n = 1; n <= total; n += n < 100 ? 1 : step)); do
            [[ -d before ]] && old_model
            run "$kind $n of $total${all:+ and all after}: ${*/$MQ/mq}" "$allowed" \
                env FAIL_CALL="$kind" FAIL_AT=$n ${all:+FAIL_ALL=1} LD_PRELOAD="$preload" "$@"
            if [[ -d before && $2 == split ]]; then
                # a process that cannot rename anything cannot rename back either
                parts_as_one "$kind $n${all:+ and all after} ${*/$MQ/mq}" "$([[ $kind != place ]] || echo "$all")"
            elif [[ -d before ]]; then
                as_one "$kind $n${all:+ and all after} ${*/$MQ/mq}"
                # shellcheck disable=SC2046 # names
                [[ $kind == place && $all ]] || only work $(ls work | grep -x -e out.onnx -e w.data -e report.json)
            fi
            if [[ $kind == alloc ]] && ((status == 5)); then says 'out of memory'; fi
        done
    done
    echo "$kind: $total calls in ${*/$MQ/mq}"
}

allowed='0 5'
each alloc "$MQ" check -j 1 "$model"
each alloc "$MQ" inspect -j 1 "$model"
each alloc "$MQ" run -j 1 "$model"
mkdir before after
echo old >before/out.onnx
"$MQ" quantize -q --verify load --max-size none -o after/out.onnx "$model" || exit 2
each alloc "$MQ" quantize --verify load -j 1 -f --max-size none -o work/out.onnx --report work/report.json "$model"
for kind in write place descriptor; do
    each $kind "$MQ" quantize --verify load -f --max-size none --sync -o work/out.onnx "$model"
done
allowed='0 3 5'
each read "$MQ" quantize --verify load -f --max-size none -o work/out.onnx "$model"

# static quantization: runs, ranges, a cache
allowed='0 3 5'
model=$TESTDATA/digits_cnn.onnx
static=(quantize --verify load --effort fast -f --data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 2 -j 1)
rm -rf after
mkdir after
"$MQ" "${static[@]}" -q -o after/out.onnx "$model" || exit 2
all_steps=$step
step=$((10 * step))
each alloc "$MQ" "${static[@]}" -o work/out.onnx --report work/report.json "$model"
step=$all_steps
for kind in write place descriptor read; do
    each $kind "$MQ" "${static[@]}" -o work/out.onnx "$model"
done

allowed='0 5'
rm -rf after
mkdir after
echo 'old data' >before/w.data
model=$TESTDATA/digits_mlp.onnx
external=(--external-data w.data --external-threshold 16)
"$MQ" quantize -q --verify load "${external[@]}" -o after/out.onnx "$model" || exit 2
for kind in write place descriptor; do
    each $kind "$MQ" quantize --verify load -f "${external[@]}" -o work/out.onnx "$model"
done

convert=(convert -O2 --precision fp16 --verify load -f "${external[@]}")
rm -rf after
mkdir after
"$MQ" "${convert[@]}" -q -o after/out.onnx "$model" || exit 2
for kind in alloc write place descriptor; do
    each $kind "$MQ" "${convert[@]}" -j 1 -o work/out.onnx "$model"
done
allowed='0 3 5'
each read "$MQ" "${convert[@]}" -j 1 -o work/out.onnx "$model"
allowed='0 5'

# parts: a list stands beside all of its parts, the old ones or the new ones
parts_as_one() {
    local set f state=none
    if [[ -e work/m.parts.json ]]; then
        for set in before after; do
            state=$set
            for f in "$set"/*; do
                cmp -s "$f" "work/${f#"$set/"}" || state=mixed
            done
            [[ $state == mixed ]] || break
        done
    fi
    [[ $state != mixed ]] || wrong "$1: list and parts do not belong together"
    ((status)) || [[ $state == after ]] || wrong "$1: success without the new parts ($state)"
    # after a failed report the parts stay in place, which is said
    ((status == 0)) || [[ $state != after ]] || grep -q -E 'stays? in place' .err || wrong "$1: a failure replaced the parts"
    [[ -z $(find work -type f ! -name 'm.?of2.onnx' ! -name m.parts.json) || $2 ]] || wrong "$1: in 'work' there is: $(ls -A work)"
}
rm -rf before after
cp "$TESTDATA/digits_cnn.onnx" m.onnx
"$MQ" split -q --verify load m.onnx -o before || exit 2
cp -f "$model" m.onnx
split=(split --verify load -f m.onnx -j 1 --sync)
"$MQ" "${split[@]}" -q -o after || exit 2
step=1
for kind in alloc write place descriptor; do
    each $kind "$MQ" "${split[@]}" -o work
done
finish
