# An output is never overwritten without -f; with it, replaced.
echo old >out.onnx
code=0
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o out.onnx || code=$?
test $code = 2
test "$(cat out.onnx)" = old
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o out.onnx -f
mq check -q out.onnx
test "$(ls)" = out.onnx
