# What was asked for could not be printed.
mq check "$TESTDATA/digits_mlp.onnx" >/dev/full
