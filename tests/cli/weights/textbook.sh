# The older forms of docs/quantize.md: each is a scale and a zero point.
q() { mq quantize -q "$TESTDATA/digits_mlp.onnx" --tensors fc2.weight "$@"; }
override() { echo "{\"fc2.weight\": [$1]}" >o.json; }
# round(255 x) on [0, 1]
q -o a.onnx --type uint8 --range 0..1 --per-tensor
override '{"quant_type": "QUInt8", "scale": 0.00392156862745098, "zero_point": 0}'
q -o b.onnx --overrides o.json
cmp a.onnx b.onnx
# round(a x + b) with a = 100, b = 128
override '{"quant_type": "QUInt8", "scale": 0.01, "zero_point": 128}'
q -o c.onnx --overrides o.json
mq inspect c.onnx --tensors fc2.weight_quantized
# clip(x / 2^7 * 255, 0, 255)
q -o e.onnx --type uint8 --range 0..128 --per-tensor
override '{"quant_type": "QUInt8", "scale": 0.5019607843137255, "zero_point": 0}'
q -o f.onnx --overrides o.json
cmp e.onnx f.onnx
# sign times scale
override '{"quant_type": "int2", "scale": 0.1}'
q -o g.onnx --overrides o.json --json | python3 -c 'import json, sys
r = json.load(sys.stdin)
print(r["changed"][0]["to"], r["changed"][0]["bytes_after"], r["after"]["opsets"])'
# mean plus and minus K standard deviations
q -o h.onnx --range stddev=3
mq inspect h.onnx --tensors fc2.weight_scale | head -1
