# The output may be the input, with its external data.
cp "$TESTDATA/digits_mlp.onnx" m.onnx
mq quantize m.onnx -q -o elsewhere.onnx
mq quantize m.onnx -q -o m.onnx -f
cmp m.onnx elsewhere.onnx
