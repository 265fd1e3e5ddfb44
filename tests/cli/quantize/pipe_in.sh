# A model from a pipe, and from a file as standard input.
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o file.onnx
cat "$TESTDATA/digits_mlp.onnx" | mq quantize - -q -o piped.onnx
mq quantize - -q -o redirected.onnx <"$TESTDATA/digits_mlp.onnx"
cmp piped.onnx file.onnx
cmp redirected.onnx file.onnx
