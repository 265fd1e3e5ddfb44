# --opset is an upper bound for what is raised.
cd "$TESTDATA"
mq quantize digits_cnn_opset9.onnx -o /dev/null --opset 12
