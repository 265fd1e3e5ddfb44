# A warning makes the exit status 1, and no model is written.
code=0
mq quantize "$TESTDATA/digits_cnn_opset9.onnx" -q -o out.onnx --strict 2>/dev/null || code=$?
test $code = 1
test ! -e out.onnx
mq quantize "$TESTDATA/digits_cnn_opset9.onnx" -q -o out.onnx
mq quantize "$TESTDATA/digits_cnn.onnx" -q -o strict.onnx --strict
