# Each type, the bytes that one weight of 32 x 64 values takes in it, and the opset that it needs.
for type in int8 uint8 int4 uint4 int2 uint2 int16 uint16; do
    mq quantize -q "$TESTDATA/digits_mlp.onnx" -o $type.onnx --tensors fc2.weight --tensor-type fc2.weight=$type --json |
        python3 -c 'import json, sys
r = json.load(sys.stdin)
print(*[(c["to"], c["bytes_after"]) for c in r["changed"]], r["after"]["opsets"])'
done
