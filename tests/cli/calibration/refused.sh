# A calibration that does not fit is an error that says what has changed.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
cp "$TESTDATA/digits_cnn_opset9.onnx" other.onnx
cp "$TESTDATA/digits.npz" d.npz
quantize() {
    mq quantize "$@" -o out.onnx -q || test $? = 3
}
on=(--data d.npz:test_x --preprocess scale=1/16 --samples 10)
mq quantize m.onnx -q --calibrate-only "${on[@]}" --calibration-cache c.json
for i in 1 3; do
    mq quantize m.onnx -q --calibrate-only --shard $i/3 "${on[@]}" --calibration-cache $i.json
done
quantize other.onnx --calibration-cache c.json
quantize m.onnx --data d.npz:test_x --preprocess scale=1/8 --samples 10 --calibration-cache c.json
quantize m.onnx "${on[@]}" --samples 11 --calibration-cache c.json
quantize m.onnx "${on[@]}" --batch 2 --calibration-cache c.json
quantize m.onnx --data d.npz:train_x --preprocess scale=1/16 --samples 10 --calibration-cache c.json
cp c.json kept.json
sed -i -E 's/"prepared": "[^"]*"/"prepared": "nothing"/' c.json
quantize m.onnx --calibration-cache c.json
mv kept.json c.json
# Other operators, other tensors.
mq quantize m.onnx -q --calibrate-only "${on[@]}" --exclude-op-types Gemm --calibration-cache few.json
quantize m.onnx --calibration-cache few.json
# Parts.
quantize m.onnx "${on[@]}" --calibration-cache 1.json
quantize m.onnx --calibration-cache 3.json,1.json
quantize m.onnx --calibration-cache 1.json,c.json
quantize m.onnx --calibration-cache 1.json,2.json
mq quantize m.onnx -q --calibrate-only --shard 2/3 "${on[@]}" --calibration-cache 1.json || test $? = 3
# What is no calibration is not replaced, not even with -f.
echo '{"a": 1}' >settings.json
cp settings.json before.json
quantize m.onnx "${on[@]}" -f --calibration-cache settings.json
cmp settings.json before.json
test ! -e out.onnx
