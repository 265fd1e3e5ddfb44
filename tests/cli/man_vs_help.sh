#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# The OPTIONS of each man page and the table of -h name the same options with the same arguments, and every page has its
# sections in their order.
# usage: MQ=build/tools/mq tests/cli/man_vs_help.sh man
set -euo pipefail
: "${MQ:?the program}"
man=${1:?the folder of the pages}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# Lines of -h that begin an option, one spelling per line: "--force", "-o FILE".
from_help() {
    "$MQ" "$1" -h | sed -nE 's/^ {2,6}(-[^ ]+( [^ ]+)?( [^ ]+)?).*/\1/p' |
        sed -E 's/^(-[^ ,]+( [^ ]+)?)$/\1/; s/^(-.), (--[^ ]+)( [^ ]+)?.*/\1\3\n\2\3/'
}

# The same from a page: lines of bold names with underlined arguments, those of the shared parts included.
from_page() {
    sed -e "/^@COMMON_OPTIONS@\$/{r $man/common-options.scd" -e 'd}' -e "/^@DATA_OPTIONS@\$/{r $man/data-options.scd" -e 'd}' \
        -e "/^@BOUNDS_OPTIONS@\$/{r $man/bounds-options.scd" -e 'd}' \
        -e "/^@TRAINING_OPTIONS@\$/{r $man/training-options.scd" -e 'd}' \
        -e "/^@SHAPE_OPTIONS@\$/{r $man/shape-options.scd" -e 'd}' "$man/mq-$1.1.scd" |
        sed -n '/^# OPTIONS/,/^# EXIT/p' | grep -E '^\*-' | tr -d '*\\' |
        sed -E 's/^(-.), (--[^ ]+)( _[^ ]+_)?$/\1\3\n\2\3/; s/, --/\n--/g' | sed -E 's/ _([^ ]*)_$/ \1/'
}

for command in quantize inspect check run bench convert split merge diff distill-export prune; do
    from_help $command | sort >"$work/help"
    from_page $command | sort >"$work/page"
    if ! diff -u --label "mq $command -h" --label "man/mq-$command.1.scd" "$work/help" "$work/page"; then
        failed=1
    fi
done
for page in "$man"/mq*.1.scd; do
    got=$(grep -E '^# ' "$page" | grep -v ENVIRONMENT | tr '\n' ' ')
    want='# NAME # SYNOPSIS # DESCRIPTION # OPTIONS # EXIT STATUS # EXAMPLES # SEE ALSO '
    if [[ $got != "$want" ]]; then
        echo "$page has the sections: $got"
        failed=1
    fi
done
exit $failed
