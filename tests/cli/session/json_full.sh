# The same for a report.
mq check "$TESTDATA/digits_mlp.onnx" --json >/dev/full
