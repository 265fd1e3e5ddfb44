# Fewer nodes, and what did it.
mq convert "$TESTDATA/digits_cnn.onnx" -o out.onnx --passes fold-batchnorm
