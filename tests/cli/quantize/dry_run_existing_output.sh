# Nothing is replaced, so nothing needs -f.
echo old >out.onnx
mq quantize "$TESTDATA/digits_cnn.onnx" -q --dry-run -o out.onnx
test "$(cat out.onnx)" = old
