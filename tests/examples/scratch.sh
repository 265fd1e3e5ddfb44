# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# shellcheck shell=bash
# What the tests of examples begin with: an empty scratch folder as current one, mq first on the PATH, nothing from the
# caller's environment that mq or make reads. Environment: MQ (the program), ROOT (of the sources).
: "${MQ:?the program to test}" "${ROOT:?the folder of the sources}"
MQ=$(realpath "$MQ")
ROOT=$(realpath "$ROOT")
export LC_ALL=C.UTF-8
unset MAKEFLAGS MAKELEVEL MFLAGS NO_COLOR MQ_THREADS OMP_NUM_THREADS GITHUB_ACTIONS GITHUB_STEP_SUMMARY REPORTS
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/bin" "$scratch/work"
for name in mq mq-quantize mq-inspect mq-check; do
    ln -s "$MQ" "$scratch/bin/$name"
done
PATH=$scratch/bin:$PATH
cd "$scratch/work"

fail() {
    echo "FAILED: $*"
    exit 1
}
