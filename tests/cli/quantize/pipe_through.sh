# From standard input to standard output, compressed on the way in.
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o file.onnx
gzip -c "$TESTDATA/digits_mlp.onnx" | mq quantize - -q -o - | cmp - file.onnx
