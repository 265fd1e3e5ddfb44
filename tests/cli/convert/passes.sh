# Rewrites by name.
mq convert "$TESTDATA/digits_cnn.onnx" -o out.onnx --passes "fold-*" | grep ^passes
mq convert "$TESTDATA/digits_cnn.onnx" -f -o out.onnx --disable-pass fold-batchnorm | grep ^nodes
