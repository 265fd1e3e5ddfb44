cp "$TESTDATA/digits_cnn.onnx" .
mq quantize digits_cnn.onnx -o out.onnx --tensors 'nothing*'
