# An operator without a kernel is named.
cp "$TESTDATA/odd/domain_custom_op.onnx" m.onnx
mq run m.onnx
