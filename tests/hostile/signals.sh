#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# Signals in the middle of the work: mq dies of the signal, the old output is as it was, and nothing is left behind.
. "$(dirname "$0")/lib.sh"

sanitized && large=64 || large=256
mkdir work
"$TOOLS/make_models" work $large || exit 2
mv work/large.onnx .
echo old >work/out.onnx

# interrupted SIGNAL DELAY FORM...: sends it to a quantization after DELAY seconds. When the work was already done
# (a fast machine), counts as not hit.
hits=0
interrupted() {
    local signal=$1 delay=$2 status=0 pid
    shift 2
    cases=$((cases + 1))
    "$MQ" quantize -q -f -j 1 -o work/out.onnx "$@" large.onnx >.out 2>.err &
    pid=$!
    sleep "$delay"
    kill -"$signal" $pid 2>/dev/null
    wait $pid 2>/dev/null
    status=$?
    if ((status == 0)); then
        rm -f work/*
        echo old >work/out.onnx
        return
    fi
    hits=$((hits + 1))
    ((status == 128 + $(kill -l "$signal"))) || wrong "SIG$signal after $delay s $*: status $status"
    [[ $signal == KILL || ! -s .err ]] || wrong "SIG$signal after $delay s $*: not quiet"
    if [[ $(head -c 3 work/out.onnx) == old ]]; then
        only work out.onnx
    else # the signal came between the last rename and the end: then the new output is whole
        "$MQ" check -q work/out.onnx >/dev/null || wrong "SIG$signal after $delay s $*: neither the old output nor the new one"
        rm -f work/*
        echo old >work/out.onnx
    fi
}
# How long the work takes here and now decides when the signals are sent.
begin=$EPOCHREALTIME
"$MQ" quantize -q -f -j 1 -o work/out.onnx large.onnx
whole=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
echo old >work/out.onnx
for signal in INT TERM HUP KILL; do
    for part in 0.1 0.25 0.4 0.55 0.7; do
        delay=$(awk -v t="$whole" -v p=$part 'BEGIN { print t * p }')
        interrupted $signal "$delay"
        [[ $signal == INT ]] && interrupted $signal "$delay" --external-data weights.data
    done
done
# On a machine whose speed changes all the time some come too late; some must come in time.
((hits >= 3)) || wrong "only $hits of $cases signals came in time"

# A compressed output takes longest.
cases=$((cases + 1))
"$MQ" quantize -q -o work/out.onnx.gz large.onnx 2>.err &
pid=$!
sleep 1
kill -INT $pid
wait $pid
status=$?
if ((status)); then
    ((status == 130)) || wrong "SIGINT while compressing: status $status"
    only work out.onnx
fi

# A loop around mq ends at Ctrl-C: the shell sees that its child died of SIGINT.
cat >loop.sh <<END
for i in 1 2 3 4 5 6; do
    echo \$i >>rounds
    '$MQ' quantize -q -f -o work/out.onnx large.onnx
done
echo through >>rounds
END
# A group of its own, as a terminal makes one: both get the signal. Background jobs ignore SIGINT unless told otherwise.
# stopped_at SECONDS: whether the loop ended there; one mq that was done already when the signal came lets it go on.
stopped_at() {
    rm -f work/* rounds
    setsid env --default-signal=INT bash loop.sh 2>.err &
    group=$! # no leader of a group here, so setsid does not fork
    sleep "$1"
    kill -INT -- "-$group" 2>/dev/null || return 1
    wait
    ! grep -q through rounds
}
cases=$((cases + 1))
stopped_at 0.3 || stopped_at 0.2 || stopped_at 0.45 || wrong 'a shell loop around mq went on after SIGINT'

# An ignored signal stays ignored (nohup).
cases=$((cases + 1))
rm -f work/*
bash -c "trap '' HUP; exec '$MQ' quantize -q -o work/out.onnx large.onnx" 2>.err &
pid=$!
sleep 0.1
kill -HUP $pid
wait $pid || wrong "an ignored SIGHUP ended it with $?"
[[ -s work/out.onnx ]] || wrong 'an ignored SIGHUP: no output'
finish
