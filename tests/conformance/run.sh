#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
#
# Compares mq with the onnx package and with ONNX Runtime. Usage: run.sh VENV BUILD WORK_DIR SHARED_DATA [--long]
# SHARED_DATA need not exist: what needs it is skipped. What each part prints is kept in WORK_DIR/NAME.log; of one that
# fails the end is shown, and the last line names all that failed.
set -euo pipefail
venv=$1
build=$2
work=$3
data=$4
mode=${5:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/conformance
python=$venv/bin/python
mkdir -p "$work"
jobs=${MQ_CONFORMANCE_JOBS:-$(nproc)}
rm -f "$work"/*.failed

# part NAME COMMAND...: its verdict is one line, and the end of its log when it failed.
part() {
    local name=$1 start=$SECONDS log=$work/$1.log
    shift
    if "$@" >"$log" 2>&1; then
        echo "ok      $name ($((SECONDS - start)) s): $(tail -1 "$log")"
    else
        touch "$work/$name.failed"
        printf '%s\n' "FAILED  $name ($((SECONDS - start)) s)" "$(tail -15 "$log" | cut -c 1-300 | sed 's/^/    /')"
    fi
}

# run NAME COMMAND...: as soon as fewer than `jobs` parts run. Each keeps to files of its own.
run() {
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
        wait -n || true
    done
    part "$@" &
}

# alone NAME COMMAND...: when nothing else runs, because it measures times.
alone() {
    wait
    part "$@"
}

models=("$root/testdata")
if [ -d "$data/models" ]; then
    models+=("$data/models")
    export MQ_SHARED_DATA=$data
else
    echo "skipped: no real models in $data"
fi
[ -f "$work/nodes/test_abs/tol.txt" ] || rm -rf "$work/nodes"
[ -f "$work/nodes/.done" ] || { "$python" "$here/node_models.py" "$work/nodes" && touch "$work/nodes/.done"; }

long=0
[ "$mode" = --long ] && long=1
run schemas "$python" "$root/scripts/make_schemas.py" --check
run report_schema "$python" "$here/report_schema.py" "$build/tools/mq" "$root/docs/report.schema.json" "$root"/testdata/digits_*.onnx
run roundtrip "$python" "$here/roundtrip.py" "$build/tests/roundtrip" "$work/nodes" "${models[@]}"
run inference "$python" "$here/infer_nodes.py" "$build/tests/infer_dump" "$work/nodes"
run checker "$python" "$here/check_agrees.py" --mq "$build/tools/mq" --broken $((long ? 40 : 2)) "$work/nodes" "${models[@]}"
run opsets "$python" "$here/opset_raise.py" "$build/tests/opset_raise" "${models[@]:1}" \
    --to "$([ $long = 1 ] && echo 13,17,21,26,28 || echo 13,21,26)"
run data_reads "$python" "$here/data_reads.py" "$build/tests/data_dump" "$work/data"
run engine_nodes "$python" "$here/engine_nodes.py" "$build/tools/mq" "$work/nodes" "$root/docs/engine-operators.md"
for isa in sse41 avx2; do # the least, and what every server has
    if grep -qw "${isa/sse41/sse4_1}" /proc/cpuinfo; then
        run "engine_nodes_$isa" env MQ_ISA=$isa "$python" "$here/engine_nodes.py" "$build/tools/mq" "$work/nodes" \
            "$root/docs/engine-operators.md"
    fi
done
run engine_hostile "$python" "$here/engine_hostile.py" "$build/tools/mq" "$work/hostile"
run engine_random "$python" "$here/engine_random.py" "$build/tests/engine_runs" "$work/random" $([ $long = 1 ] && echo --long)
if [ -d "$data/models" ]; then
    mapfile -t real < <(find "$data/models" -name '*.onnx' | sort)
    run engine_models "$python" "$here/engine_models.py" "$build/tools/mq" "$work/engine_models" "${real[@]}"
    run split_models "$python" "$here/split_models.py" "$build/tools/mq" "$work/split" "$root"/testdata/*.onnx "${real[@]}"
    run engine_quantized "$python" "$here/engine_quantized.py" "$build/tools/mq" "$data" "$work/engine_quantized"
    mapfile -t some < <(printf '%s\n' "${real[@]}" | grep -E '/(minilm-l6|mobilenetv2_fp32|squeezenet1.1|silero_vad)\.onnx$')
    run engine_memory "$python" "$here/engine_memory.py" "$build/tools/mq" "$work/engine_memory" "${some[@]}" \
        --runs $((long ? 2 : 1)) $([ $long = 1 ] && echo --large || true)
fi
# Gradients beside torch's, which is looked for and never installed: MQ_TORCH_PYTHON is a Python that has it and onnx.
torch_gradients() {
    local torch=${MQ_TORCH_PYTHON:-python3} small
    if ! "$torch" -c 'import onnx, torch' 2>"$work/torch.log"; then
        echo "skipped: $torch has no torch"
        return 0
    fi
    small=$(printf '%s\n' ${real[@]+"${real[@]}"} | grep -E '/models/(resnet8_cifar10_ft|tiny_[a-z_]*|kws_dscnn|vww_[a-z0-9_]*|minilm-l6)\.onnx$' || true)
    rm -rf "$work/gradients"
    # shellcheck disable=SC2086 # paths of the project's data have no blanks
    "$torch" "$root/scripts/make_grad_truth.py" "$work/gradients/small" && { [ -z "$small" ] ||
        "$torch" "$root/scripts/make_grad_truth.py" "$work/gradients" $small; } &&
        find "$work/gradients" -name '*.onnx' -exec "$build/tests/grad_models" {} + && rm -rf "$work/gradients"
}
[ $long = 1 ] && run torch_gradients torch_gradients
run bench_metrics "$python" "$here/bench_metrics.py" "$build/tools/mq"
alone bench_times "$python" "$here/bench_times.py" "$build/tools/mq"
run convert_models "$python" "$here/convert_models.py" "$build/tests/convert_runs" "$build/tools/mq" "$work/convert" "$work/nodes" \
    "$root"/testdata/*.onnx "$root/testdata/odd" "${models[@]:1}"
for target in onnxruntime portable; do
    run "convert_$target" "$python" "$here/convert_models.py" "$build/tests/convert_runs" "$build/tools/mq" "$work/convert_$target" \
        "$work/nodes" "$root"/testdata/*.onnx "${models[@]:1}" --target $target --every $((long ? 1 : 12))
done
run convert_forms "$python" "$here/convert_forms.py" "$build/tools/mq" "$work/nodes" "${models[@]}" --every $((long ? 1 : 12))
run convert_random "$python" "$here/convert_random.py" "$build/tests/convert_runs" "$work/convert_random" $([ $long = 1 ] && echo --long)
run quantize_loads "$python" "$here/quantize_loads.py" "$build/tools/mq" "${models[@]}"
run quantize_modes "$python" "$here/quantize_modes.py" "$build/tools/mq" "${models[@]}"
run prune_forms "$python" "$here/prune_forms.py" "$build/tools/mq" "${models[@]}"
run prune_structured "$python" "$here/prune_structured.py" "$build/tools/mq" "${models[@]}"
run static_modes "$python" "$here/static_modes.py" "$build/tools/mq" "$root/testdata" $([ $long = 1 ] && echo --long)
run static_io "$python" "$here/static_io.py" "$build/tools/mq" "$root/testdata"
run layers "$python" "$here/layers_models.py" "$build/tools/mq" "$root/testdata"
run peer_defects "$python" "$here/peer_defects.py" "$build/tools/mq"
run fidelity "$python" "$here/fidelity_weights.py" "$build/tools/mq"
wait
bad=$(cd "$work" && find . -maxdepth 1 -name '*.failed' | sed 's|^./||; s|\.failed$||' | sort)
if [ -n "$bad" ]; then
    echo failed: $bad
    exit 1
fi
