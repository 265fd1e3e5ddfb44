cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq split m.onnx -o parts --parts 900
