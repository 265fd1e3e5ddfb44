# What is smaller stays inside.
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o all.onnx --external-data all.bin --external-threshold 0
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o none.onnx --external-data none.bin --external-threshold 1M
test -e all.bin
test ! -e none.bin
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o whole.onnx
cmp none.onnx whole.onnx
