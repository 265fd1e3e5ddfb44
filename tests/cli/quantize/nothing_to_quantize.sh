# Nothing to do is not success.
cd "$TESTDATA"
mq quantize odd/no_nodes.onnx -o /dev/null
