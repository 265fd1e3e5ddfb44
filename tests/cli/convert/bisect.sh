# No rewrite changes what the model computes, and nothing is written.
mq convert "$TESTDATA/digits_cnn.onnx" --bisect -O3
ls
