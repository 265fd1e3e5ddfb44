# The data lie beside the model.
cp "$TESTDATA/digits_mlp.onnx" .
mq quantize digits_mlp.onnx -o out.onnx --external-data sub/w.bin
