#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
#
# A CI step that gates a merge: compares a new model with the one it replaces, and fails when it is slower, larger or less
# accurate than allowed.
#
# usage: gate.sh OLD NEW [OPTIONS OF mq bench: --data DATA --labels LABELS --preprocess ...]
#
# Limits, in the environment: MIN_SPEEDUP (default 0.95: five percent slower is still allowed), MAX_SIZE (100% of the old
# one), MAX_DROP (0.5%, judged when there are --labels). THREADS (1): as many as the machine has for sure.
# Reports go to $REPORTS (default: reports); on GitHub the Markdown is the job's summary, and errors are annotations.
set -euo pipefail

old=${1:?usage: gate.sh OLD NEW [OPTIONS]}
new=${2:?usage: gate.sh OLD NEW [OPTIONS]}
shift 2
reports=${REPORTS:-reports}
annotate=${GITHUB_ACTIONS:+github}
bounds=(--min-speedup "${MIN_SPEEDUP:-0.95}" --max-size "${MAX_SIZE:-100%}")
if [[ " $* " == *" --labels"* || " $* " == *" --eval-cmd"* ]]; then
    bounds+=(--max-drop "${MAX_DROP:-0.5%}")
fi

mkdir -p "$reports"
rm -f "$reports"/bench.{xml,md,json}

status=0
mq bench "$old" "$new" -j "${THREADS:-1}" "${bounds[@]}" "$@" --annotate "${annotate:-none}" --report "$reports/bench.xml" \
    --report "$reports/bench.md" --report "$reports/bench.json" || status=$?

# A wrong command line (status 2) leaves no report.
if [[ -n ${GITHUB_STEP_SUMMARY-} && -e $reports/bench.md ]]; then
    cat "$reports/bench.md" >>"$GITHUB_STEP_SUMMARY"
fi
exit "$status"
