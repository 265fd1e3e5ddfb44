mq convert "$TESTDATA/digits_cnn.onnx" --bisect -o out.onnx
