# Killed after the calibration, before the model: the calibration is whole and is used, the model is not there.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
on=(--data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 0)
mq quantize m.onnx -q -o plain.onnx "${on[@]}" --calibration-cache plain.json
mq quantize m.onnx -q -o m8.onnx "${on[@]}" --calibration-cache c.json --verify run --val-data random:100000000 &
for ((i = 0; i < 3000 && $(test -e c.json; echo $?); i++)); do
    sleep 0.01
done
{
    kill -KILL $!
    wait $!
} 2>/dev/null || test $? = 137
test ! -e m8.onnx
cmp c.json plain.json
touch -d '1 hour ago' c.json
touch -d '30 minutes ago' mark
mq quantize m.onnx -q -o m8.onnx "${on[@]}" --calibration-cache c.json
test c.json -ot mark
cmp m8.onnx plain.onnx
