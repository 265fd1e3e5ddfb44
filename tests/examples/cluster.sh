#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# examples/cluster: what each of the three makes in parts is the model that one run makes. The scripts of Slurm and Kubernetes
# are run as their jobs would be; GNU parallel is needed for its own.
# Environment: as scratch.sh.
set -euo pipefail
source "$(dirname "$0")/scratch.sh"
examples=$ROOT/examples/cluster
cp "$ROOT/testdata/digits_cnn.onnx" net.onnx
data=(--data "$ROOT/testdata/digits.npz:test_x" --preprocess scale=1/16 --samples 0)
mq quantize net.onnx -q -o whole.onnx "${data[@]}"
unset PARTS JOBS HOSTS "${!SLURM@}"

# Slurm: sbatch is replaced by what it would run, one task after the other.
cat >"$scratch/bin/sbatch" <<'END'
#!/bin/bash
set -eu
export SLURM_JOB_ID=7 SLURM_CPUS_PER_TASK=1
while [[ $1 == --* ]]; do
    [[ $1 != --array=1-* ]] || last=${1#--array=1-}
    [[ $1 != --dependency=* || $1 == --dependency=afterok:7 ]]
    shift
done
for ((i = 1; i <= ${last:-0}; i++)); do
    SLURM_ARRAY_TASK_ID=$i "$@" >&2
done
if [[ -n ${last-} ]]; then
    echo '7;cluster'
else
    "$@"
fi
END
chmod +x "$scratch/bin/sbatch"
"$examples/slurm.sh" net.onnx slurm.onnx 3 "${data[@]}" >log 2>&1 || fail "slurm: $(cat log)"
cmp whole.onnx slurm.onnx || fail 'slurm: another model'
[[ $(ls slurm.onnx.parts) == $'1.json\n2.json\n3.json' ]] || fail "slurm: $(ls slurm.onnx.parts)"

# Kubernetes: the two commands of the manifest.
# command_of N: the text of the N-th "- |", which is indented by 14 blanks
command_of() {
    awk -v want="$1" '/^            - \|$/ { n++; next }
        n == want && index($0, "              ") == 1 { print substr($0, 15) }
        index($0, "              ") != 1 && n == want { exit }' "$examples/kubernetes.yaml"
}
[[ $(command_of 1) == *--calibrate-only* && $(command_of 2) == *OUTPUT* ]] || fail 'kubernetes: no commands'
export MODEL=net.onnx OUTPUT=kubernetes.onnx PARTS=parts SHARDS=4 THREADS=1
export DATA=$ROOT/testdata/digits.npz:test_x PREPROCESS=scale=1/16
for ((i = 0; i < SHARDS; i++)); do
    JOB_COMPLETION_INDEX=$i bash -euc "$(command_of 1)" >log 2>&1 || fail "kubernetes: $(cat log)"
done
bash -euc "$(command_of 2)" >log 2>&1 || fail "kubernetes: $(cat log)"
cmp whole.onnx kubernetes.onnx || fail 'kubernetes: another model'
unset PARTS

command -v parallel >/dev/null || { echo 'no GNU parallel: its example is skipped'; exit 77; }
export HOME=$scratch # parallel keeps things there
JOBS=2 "$examples/parallel.sh" net.onnx parallel.onnx 5 "${data[@]}" >log 2>&1 || fail "parallel: $(cat log)"
cmp whole.onnx parallel.onnx || fail 'parallel: another model'

# A part that is lost is made again, the others are not.
rm parallel.onnx parallel.onnx.parts/3.json
touch -d '1 hour ago' parallel.onnx.parts/*.json
touch -d '30 minutes ago' mark
JOBS=2 "$examples/parallel.sh" net.onnx parallel.onnx 5 "${data[@]}" >log 2>&1 || fail "parallel: $(cat log)"
cmp whole.onnx parallel.onnx || fail 'parallel: another model with a part made again'
[[ $(find parallel.onnx.parts -newer mark -name '*.json') == parallel.onnx.parts/3.json ]] ||
    fail 'parallel: other parts were made again'

# Other data: the parts do not fit, and nothing is written.
rm parallel.onnx
! "$examples/parallel.sh" net.onnx parallel.onnx 5 "${data[@]}" --batch 2 >log 2>&1 ||
    fail 'parallel: parts of other data were taken'
grep -q 'does not fit' log || fail "parallel: $(cat log)"
[[ ! -e parallel.onnx ]] || fail 'parallel: a model of parts that do not fit'
