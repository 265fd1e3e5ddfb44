#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# Odd, broken and explosive models through every command: a documented status in at most 10 seconds, never a signal, and
# without sanitizers in at most 2 GB of address space.
. "$(dirname "$0")/lib.sh"

sanitized || ulimit -v 2000000
mkdir models out

# nothing_half COMMAND: nothing is left behind by a failure; what convert has written is a model that can be read
nothing_half() {
    if ((status)); then
        [[ -z $(ls -A out) ]] || wrong "$1 $name: something was left behind"
    fi
    [[ $1 != convert || ! -e out/model.onnx ]] || run "check what $1 made of $name" '0 1' "$MQ" check -q out/model.onnx
    rm -rf out
    mkdir out
}

"$TOOLS/make_models" models || exit 2
while read -r model; do
    name=${model##*/}
    run "inspect $name" '0 3' "$MQ" inspect "$model"
    run "inspect --nodes --tensors $name" '0 2 3' "$MQ" inspect '--nodes=*' '--tensors=*' --json "$model"
    run "check $name" '0 1 3' "$MQ" check --target portable --report .report.md "$model"
    run "quantize $name" '0 1 2 3 4' "$MQ" quantize -f -o out/model.onnx --report .report.json "$model"
    nothing_half quantize
    verify=auto
    [[ $model != models/* ]] || verify=load # to run some of these is work for minutes
    run "convert $name" '0 1 2 3 4' "$MQ" convert -O3 -f -o out/model.onnx --verify $verify --report .report.json "$model"
    nothing_half convert
    run "convert to fp16 $name" '0 1 2 3 4' "$MQ" convert -O1 --precision fp16 --verify load -f -o out/model.onnx "$model"
    nothing_half 'convert to fp16'
    run "split $name" '0 1 2 3 4' "$MQ" split -f -o out --verify $verify "$model"
    nothing_half split
done < <(find "$TESTDATA/bad" "$TESTDATA/odd" models -name '*.onnx' | sort)
finish
