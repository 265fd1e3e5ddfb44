# An output that needs more than what is listed.
cp "$TESTDATA/digits_cnn.onnx" .
mq convert digits_cnn.onnx -o out.onnx --inputs depthwise_out --outputs relu1_out
