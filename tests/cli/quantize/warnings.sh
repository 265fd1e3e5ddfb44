# Each is said with its code's sentence.
cp "$TESTDATA/digits_cnn_opset9.onnx" .
mq quantize digits_cnn_opset9.onnx -o out.onnx >/dev/null
