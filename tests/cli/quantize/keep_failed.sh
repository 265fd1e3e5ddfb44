# A result that misses a bound is kept only where it is asked for.
cp "$TESTDATA/digits_mlp.onnx" .
code=0
mq quantize digits_mlp.onnx -q -o out.onnx --max-size 10% --keep-failed failed.onnx || code=$?
test $code = 1
test "$(ls)" = "digits_mlp.onnx
failed.onnx"
mq check -q failed.onnx
