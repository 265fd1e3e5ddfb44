# Nodes that went, that came and that changed.
cp "$TESTDATA/digits_mlp.onnx" a.onnx
mq quantize a.onnx -q -o b.onnx --verify load
mq diff a.onnx b.onnx
