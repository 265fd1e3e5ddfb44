mq quantize "$TESTDATA/digits_cnn.onnx" -o out.onnx --type int4
