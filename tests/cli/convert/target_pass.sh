# A pass of another target.
mq convert "$TESTDATA/digits_cnn.onnx" -o out.onnx --passes fuse-matmul
