cp "$TESTDATA/digits_cnn.onnx" .
mq quantize digits_cnn.onnx -o out.onnx --op-types conv
