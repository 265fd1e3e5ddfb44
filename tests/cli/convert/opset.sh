# Up where every operator has a way.
mq convert "$TESTDATA/digits_cnn_opset9.onnx" -q -o out.onnx --opset latest
mq inspect out.onnx | grep ^format
