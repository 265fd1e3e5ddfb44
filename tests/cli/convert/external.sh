# Large tensors into a file.
mq convert "$TESTDATA/digits_cnn.onnx" -q -o out.onnx --external-data w.bin --external-threshold 100
mq check out.onnx -q --against "$TESTDATA/digits_cnn.onnx"
ls
