# A command that writes a model says where.
mq quantize "$TESTDATA/digits_mlp.onnx"
