#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
#
# A CI step: checks a model, quantizes it, and fails when it is invalid or a bound is missed.
#
# usage: quantize.sh MODEL OUTPUT [MAX_SIZE]
#
# Reports go to $REPORTS (default: reports): JUnit (.xml) for the CI's list of tests, JSON for scripts, Markdown for people.
# On GitHub the Markdown is the job's summary, and errors are annotations.
set -euo pipefail

model=${1:?usage: quantize.sh MODEL OUTPUT [MAX_SIZE]}
output=${2:?usage: quantize.sh MODEL OUTPUT [MAX_SIZE]}
max_size=${3:-40%}
reports=${REPORTS:-reports}
annotate=${GITHUB_ACTIONS:+github}
common=(--annotate "${annotate:-none}")

mkdir -p "$reports"
rm -f "$reports"/{check,quantize}.{xml,md,json}

status=0
mq check "$model" "${common[@]}" --report "$reports/check.xml" --report "$reports/check.md" || status=$?
if ((status == 0)); then
    mq quantize "$model" -o "$output" -f --max-size "$max_size" "${common[@]}" --report "$reports/quantize.xml" \
        --report "$reports/quantize.md" --report "$reports/quantize.json" || status=$?
fi

# A wrong command line (status 2) leaves no report.
if [[ -n ${GITHUB_STEP_SUMMARY-} ]]; then
    for report in "$reports"/{check,quantize}.md; do
        if [[ -e $report ]]; then
            cat "$report" >>"$GITHUB_STEP_SUMMARY"
        fi
    done
fi
exit "$status"
