# Two things cannot both be standard output.
mq quantize "$TESTDATA/digits_mlp.onnx" -o - --json
