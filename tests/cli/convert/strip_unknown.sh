# Three words.
mq convert "$TESTDATA/digits_cnn.onnx" -o out.onnx --strip doc
