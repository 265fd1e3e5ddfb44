#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# Runs every block of README.md that is marked sh, one after the other, in a scratch copy of what they use. A block marked
# text right behind one is what it prints. Other blocks are not run. Environment: as scratch.sh.
set -euo pipefail
source "$(dirname "$0")/scratch.sh"
cp -r "$ROOT/testdata" "$ROOT/examples" .
n=0

# run BLOCK: stops at the first command that fails
run() {
    n=$((n + 1))
    bash -euo pipefail -c "$1" >stdout 2>stderr </dev/null || fail "block $n:"$'\n'"$1"$'\n'"$(cat stderr)"
}

kind=
while IFS= read -r line; do
    if [[ $line == '```'* && -z $kind ]]; then
        kind=${line#'```'} block=
        kind=${kind:-plain}
    elif [[ $line == '```' ]]; then
        case $kind in
        sh) run "$block" ;;
        text) diff -u --label README.md --label 'what it prints' - stdout <<<"${block%$'\n'}" || fail "block $n" ;;
        esac
        kind=
    elif [[ -n $kind ]]; then
        block+=$line$'\n'
    fi
done <"$ROOT/README.md"
((n > 0)) || fail 'README.md has no sh block'
echo "$n blocks"
