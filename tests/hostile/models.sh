#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# Odd, broken and explosive models through every command: a documented status in at most 10 seconds, never a signal, and
# without sanitizers in at most 2 GB of address space.
. "$(dirname "$0")/lib.sh"

sanitized || ulimit -v 2000000
mkdir models out
"$TOOLS/make_models" models || exit 2
while read -r model; do
    name=${model##*/}
    run "inspect $name" '0 3' "$MQ" inspect "$model"
    run "inspect --nodes --tensors $name" '0 2 3' "$MQ" inspect '--nodes=*' '--tensors=*' --json "$model"
    run "check $name" '0 1 3' "$MQ" check --target portable --report .report.md "$model"
    run "quantize $name" '0 1 2 3 4' "$MQ" quantize -f -o out/model.onnx --report .report.json "$model"
    if ((status)); then
        [[ -z $(ls -A out) ]] || wrong "quantize $name: something was left behind"
    fi
    rm -rf out
    mkdir out
done < <(find "$TESTDATA/bad" "$TESTDATA/odd" models -name '*.onnx' | sort)
finish
