# Only with --precision.
mq convert "$TESTDATA/digits_cnn.onnx" -o out.onnx --keep-io-types
