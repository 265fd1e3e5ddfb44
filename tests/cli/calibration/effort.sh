# What --effort normal looks at is in the file: with it, whole or in parts, the model is that of the data, byte for byte. A
# file without it means --effort fast, which is said; one of another preparation is refused.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
on=(--data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 30)
q() { mq quantize m.onnx -q -f "$@"; }

for how in "" "--equalize" "--smooth 0.5" "--smooth none" "--no-bias-correction" "--act-type int8 --act-symmetric" \
    "--calibration minmax --target tensorrt"; do
    rm -f [c123].json
    # shellcheck disable=SC2086 # several options
    {
        q -o plain.onnx "${on[@]}" $how
        q -o made.onnx "${on[@]}" --calibration-cache c.json $how
        q -o read.onnx --calibration-cache c.json $how
        for i in 1 2 3; do
            q --calibrate-only --shard $i/3 "${on[@]}" --calibration-cache $i.json $how
        done
        q -o joined.onnx --calibration-cache 1.json,2.json,3.json $how
    }
    for model in made read joined; do
        cmp plain.onnx $model.onnx
    done
done

# Without channels: fast, and said.
q -o fast.onnx "${on[@]}" --effort fast --calibration-cache fast.json
q -o old.onnx --calibration-cache fast.json --report old.json
cmp fast.onnx old.onnx
grep -q calibration-fast old.json
q -o no.onnx --calibration-cache fast.json --effort fast --report fast.report.json
if grep -q calibration-fast fast.report.json; then
    echo 'said what was asked for'
fi
# Factors are numbers of this CPU.
refused() { { mq quantize m.onnx -q -o no2.onnx "$@" || test $? = 3; } 2>&1 | sed -E 's/\([0-9a-f]{12}\)/(...)/g'; }
refused --calibration-cache fast.json --bias-correction
q --calibrate-only "${on[@]}" --calibration-cache c.json
refused --calibration-cache c.json --effort fast
refused --calibration-cache c.json --equalize
q --calibrate-only --shard 2/3 "${on[@]}" --effort fast --calibration-cache 2.json
refused --calibration-cache 1.json,2.json,3.json

# Different data: joined where they do not decide what is run.
for part in test train; do
    q --calibrate-only --data "$TESTDATA/digits.npz:${part}_x" --preprocess scale=1/16 --samples 20 --smooth none \
        --calibration-cache $part.json
    q --calibrate-only --data "$TESTDATA/digits.npz:${part}_x" --preprocess scale=1/16 --samples 20 \
        --calibration-cache ${part}_smooth.json
done
q -o both.onnx --smooth none --calibration-cache test.json,train.json
refused --calibration-cache test_smooth.json,train_smooth.json

# Made anew where it is of another preparation, with the channels of this one.
q --calibrate-only "${on[@]}" --calibration-cache c.json
q -o anew.onnx "${on[@]}" --equalize --calibration-cache c.json
q -o plain.onnx "${on[@]}" --equalize
cmp anew.onnx plain.onnx
