#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# Runs the EXAMPLES of each man page, line by line, in a folder of its own with a model.onnx.
# usage: MQ=build/tools/mq TESTDATA=testdata tests/cli/man_examples.sh man
set -euo pipefail
: "${MQ:?the program}" "${TESTDATA:?test data}"
man=$(realpath "${1:?the folder of the pages}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$(realpath "$MQ")" "$work/bin/mq"
PATH=$work/bin:$PATH
failed=0 n=0

for page in "$man"/mq*.1.scd; do
    mkdir "$work/${page##*/}"
    cp "$TESTDATA/digits_cnn.onnx" "$work/${page##*/}/model.onnx"
    while read -r line; do
        n=$((n + 1))
        if ! output=$(cd "$work/${page##*/}" && bash -o pipefail -c "$line" 2>&1 </dev/null | tail -5); then
            printf 'FAILED %s: %s\n%s\n' "${page##*/}" "$line" "$output"
            failed=$((failed + 1))
        fi
    done < <(sed -n '/^# EXAMPLES/,/^# SEE ALSO/p' "$page" | sed -n '/^```/,/^```/p' | grep -v '^```')
done
echo "$n examples, $failed failed"
((n > 0 && failed == 0))
