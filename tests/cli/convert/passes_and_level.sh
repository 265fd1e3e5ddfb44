# Both choose.
mq convert "$TESTDATA/digits_cnn.onnx" -o out.onnx -O2 --passes fold-constants
