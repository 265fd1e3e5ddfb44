# The options of a report give the same file again.
echo '{ "fc1.weight": [{ "quant_type": "QInt8" }] }' >o.json
mq quantize -q "$TESTDATA/digits_mlp.onnx" -o a.onnx --type uint4 --symmetric --block-size 16 --algorithm mse \
    --tensor-type 'fc2*=int8' --overrides o.json --target onnx,arm64 --report r.json
mq quantize -q "$TESTDATA/digits_mlp.onnx" -o b.onnx --config r.json
cmp a.onnx b.onnx
mq quantize -q "$TESTDATA/digits_mlp.onnx" -o c.onnx --range -0.5..0.5 --asymmetric --report r.json -f
mq quantize -q "$TESTDATA/digits_mlp.onnx" -o d.onnx --config r.json
cmp c.onnx d.onnx
