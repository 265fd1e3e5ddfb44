# Large tensors in one file of that name, small ones inside; and all back in with none.
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o q.onnx --external-data weights.bin
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o whole.onnx
test "$(ls)" = "q.onnx
weights.bin
whole.onnx"
test "$(stat -c %s q.onnx)" -lt "$(stat -c %s whole.onnx)"
mq check -q q.onnx
rm weights.bin
mq check q.onnx >/dev/null 2>&1 || test $? = 1
