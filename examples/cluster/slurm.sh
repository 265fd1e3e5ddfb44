#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
#
# Static quantization on a Slurm cluster: an array of jobs calibrates on a part of the data each, and a last job, which waits
# for all of them, makes the model. The same file is the job of both.
#
# usage, where sbatch is: slurm.sh MODEL OUTPUT SHARDS --data SOURCE [OPTION...]
#   e.g. slurm.sh net.onnx net.int8.onnx 16 --data /shared/images --preprocess imagenet --samples 0
# Model, data and the current folder lie on a file system that all nodes see. Parts go to $PARTS (default: OUTPUT.parts).
# When jobs of the array have failed, give the same command again: parts that are there and fit are only read.
#
# What a job gets; sbatch's options on the command line or SBATCH_* in the environment win.
#SBATCH --job-name=mq-calibrate
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=01:00:00
set -euo pipefail

usage='usage: slurm.sh MODEL OUTPUT SHARDS --data SOURCE [OPTION...]'
model=${1:?$usage}
output=${2:?$usage}
shards=${3:?$usage}
options=("${@:4}")
parts=${PARTS:-$output.parts}

# Outside of a job: submit the array, and what comes behind it.
if [[ -z ${SLURM_JOB_ID:-} ]]; then
    mkdir -p "$parts"
    array=$(sbatch --parsable --array="1-$shards" --output="$parts/%a.log" "$0" "$@")
    # %;*: with several clusters, the cluster's name stands behind the number
    sbatch --dependency="afterok:${array%;*}" --kill-on-invalid-dep=yes --job-name=mq-quantize \
        --output="$parts/quantize.log" "$0" "$@"
    exit
fi

threads=(--threads "${SLURM_CPUS_PER_TASK:-1}")
if [[ -n ${SLURM_ARRAY_TASK_ID:-} ]]; then
    # The number of parts is our own: SLURM_ARRAY_TASK_COUNT is another one when only some tasks are run again.
    mq quantize "$model" --calibrate-only --shard "$SLURM_ARRAY_TASK_ID/$shards" "${threads[@]}" \
        --calibration-cache "$parts/$SLURM_ARRAY_TASK_ID.json" "${options[@]}"
    exit
fi

caches=()
for ((i = 1; i <= shards; i++)); do
    caches+=(--calibration-cache "$parts/$i.json")
done
mq quantize "$model" -f -o "$output" "${threads[@]}" "${caches[@]}" "${options[@]}"
