# What would be done can be asked for without a name for the result.
mq quantize "$TESTDATA/digits_cnn.onnx" -q --dry-run
test -z "$(ls)"
