# Weights that batch normalization was folded into keep their names: filters, types and overrides find them.
cp "$TESTDATA/digits_cnn.onnx" .
mq quantize digits_cnn.onnx --data random:4 -o a.onnx -q --tensors conv2.weight
mq quantize digits_cnn.onnx --data random:4 -o b.onnx -q --tensor-type conv2.weight=uint8
echo '{ "conv2.weight": [{ "quant_type": "QUInt8" }] }' >o.json
mq quantize digits_cnn.onnx --data random:4 -o c.onnx -q --overrides o.json
cmp b.onnx c.onnx
