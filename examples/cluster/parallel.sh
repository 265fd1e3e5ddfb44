#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
#
# Static quantization with the calibration done in parts, by GNU parallel: on the CPUs of this machine, or on several.
#
# usage: parallel.sh MODEL OUTPUT SHARDS --data SOURCE [OPTION...]
#   e.g. parallel.sh net.onnx net.int8.onnx 16 --data images --preprocess imagenet --samples 0
# Options are those that say which tensors are quantized (--nodes, --target, ...) and those of data.
#
# $PARTS   folder of the parts' files (default: OUTPUT.parts). Parts that are there already and fit are not made again: after
#          a failure, the same command goes on where it stopped. Parts that do not fit (other data, other model) are an error.
# $JOBS    parts at a time (default: one for each CPU, with one thread). Each takes the memory of one run of the model.
# $HOSTS   file of host names for `parallel --sshloginfile` (default: this machine only). They need mq, and model, data and
#          the current folder under the same names. The model is the same, byte for byte, however the data are divided.
set -euo pipefail

usage='usage: parallel.sh MODEL OUTPUT SHARDS --data SOURCE [OPTION...]'
model=${1:?$usage}
output=${2:?$usage}
shards=${3:?$usage}
shift 3
parts=${PARTS:-$output.parts}
where=(--jobs "${JOBS:-100%}")
[[ -z ${HOSTS:-} ]] || where+=(--sshloginfile "$HOSTS" --workdir .)

mkdir -p "$parts"
# One thread for each part: they do not wait for each other. -q: options with blanks stay whole.
seq "$shards" | parallel -q --halt soon,fail=1 "${where[@]}" \
    mq quantize "$model" -q --calibrate-only --shard "{}/$shards" --calibration-cache "$parts/{}.json" --threads 1 "$@"

caches=()
for ((i = 1; i <= shards; i++)); do
    caches+=(--calibration-cache "$parts/$i.json")
done
mq quantize "$model" -f -o "$output" "${caches[@]}" "$@"
