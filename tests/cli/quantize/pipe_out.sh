# -o - writes the model to a pipe, and nothing else.
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o - | cat >piped.onnx
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o file.onnx
cmp piped.onnx file.onnx
mq quantize "$TESTDATA/digits_mlp.onnx" -o - 2>said | cmp - file.onnx
