# Parts of the data, joined in any order, give the model that all of the data give, byte for byte: whatever the method, the
# batch, and what is left out.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
on=(--data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 30)

# check N [OPTION...]
check() {
    local n=$1 caches=
    shift
    rm -f part*.json
    for ((i = n; i >= 1; i--)); do
        mq quantize m.onnx -q --calibrate-only --shard "$i/$n" --calibration-cache "part$i.json" "${on[@]}" "$@"
        caches+=,part$i.json
    done
    for method in mse ema percentile; do
        mq quantize m.onnx -q -f -o whole.onnx --calibration $method "${on[@]}" "$@"
        mq quantize m.onnx -q -f -o joined.onnx --calibration $method --calibration-cache "${caches#,}"
        cmp whole.onnx joined.onnx
    done
}

for n in 1 2 3 7; do
    check $n
    check $n --batch 4
done
check 40 # some are empty
on+=(--smooth none --no-bias-correction)
check 3
on=(--data random:11)
check 3 --seed 5 --batch 2

# The file of one shard of one is that of all; shards are not all of it.
mq quantize m.onnx -q --calibrate-only --shard 1/1 --calibration-cache all.json "${on[@]}"
mq quantize m.onnx -q -f -o m8.onnx --calibration-cache other.json "${on[@]}"
cmp all.json other.json
if mq quantize m.onnx -q -f -o m8.onnx --calibration-cache part1.json 2>/dev/null; then
    echo 'a part was taken for the whole'
fi
