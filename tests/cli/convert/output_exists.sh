# Never overwritten without -f.
touch out.onnx
mq convert "$TESTDATA/digits_cnn.onnx" -o out.onnx
