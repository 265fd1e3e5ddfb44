# -f makes a calibration anew that does not fit, and says so.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
on=(--data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16)
mq quantize m.onnx -q --calibrate-only "${on[@]}" --samples 10 --calibration-cache c.json
mq quantize m.onnx -f -o anew.onnx "${on[@]}" --samples 20 --calibration-cache c.json >/dev/null
mq quantize m.onnx -q -o plain.onnx "${on[@]}" --samples 20
cmp anew.onnx plain.onnx
mq quantize m.onnx -q -o again.onnx --calibration-cache c.json
cmp again.onnx plain.onnx
