#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
#
# Form of the sources: no tabs, no blanks at line ends, a line's width, the licence lines, no notes left for later.
# Usage: text.sh SOURCE_ROOT
set -eu
cd "$1"
bad=0
files=$(find include src tools tests scripts examples man proto docs -type f \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' \
    -o -name 'meson.build' -o -name '*.scd' -o -name '*.proto' \) | sort)

report() {
    if [ -n "$2" ]; then
        echo "text: $1:"
        echo "$2" | head -20
        bad=1
    fi
}

# shellcheck disable=SC2086
{
    report 'blanks at the end of a line' "$(grep -nE '[[:blank:]]+$' $files || true)"
    report 'tabs' "$(echo $files | tr ' ' '\n' | grep -vE '\.scd$|^tests/cli/[a-z0-9]+/' | xargs grep -nP '\t' || true)"
    report 'lines over 125 characters' "$(echo $files | tr ' ' '\n' | grep '\.[ch]$' | xargs grep -nE '^.{126,}' || true)"
    report 'notes for later' "$(grep -nE '\b(TODO|FIXME|XXX)\b' $(echo $files | tr ' ' '\n' | grep -v 'tests/style/text.sh') || true)"
    report 'without licence lines' "$(grep -L 'SPDX-License-Identifier: Apache-2.0' $(echo $files | tr ' ' '\n' | grep -E '\.([ch]|sh|py|proto)$' | grep -vE '^tests/cli/[a-z0-9]+/') || true)"
}
exit $bad
