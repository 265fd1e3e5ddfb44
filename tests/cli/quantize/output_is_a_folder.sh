mkdir out.onnx
mq quantize "$TESTDATA/digits_cnn.onnx" -o out.onnx
