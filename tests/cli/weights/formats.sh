# nbits writes MatMulNBits where it fits.
mq quantize -q "$TESTDATA/digits_mlp.onnx" -o qdq.onnx --type int4
mq quantize -q "$TESTDATA/digits_mlp.onnx" -o nbits.onnx --type int4 --format nbits --accuracy-level 1
for f in qdq nbits; do
    mq inspect $f.onnx --json | python3 -c 'import json, sys; print(*sorted(o["op_type"] for o in json.load(sys.stdin)["model"]["operators"]))'
done
