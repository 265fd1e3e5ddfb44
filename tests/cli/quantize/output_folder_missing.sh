mq quantize "$TESTDATA/digits_cnn.onnx" -o nowhere/out.onnx
