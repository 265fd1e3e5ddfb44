# Options of the weight part hold with --mode static, too: what each makes of the weights, and how many activations are integers.
cp "$TESTDATA/digits_cnn.onnx" "$TESTDATA/digits_mlp.onnx" .
try() {
    echo "$*"
    model=$1
    shift
    mq quantize "$model" --data random:4 -q -f -o out.onnx --max-size none --verify load --json "$@" | python3 -c 'import json, sys
r = json.load(sys.stdin)
print("  " + " ".join("%s:%s%s%s" % (c["name"].split(".")[0], c["to"], "/%d" % c["axis"] if c.get("axis") is not None else "",
                                     " in %d" % c["block_size"] if c.get("block_size") else "") for c in r["changed"]))
print("  kept: %s; %d activations" % (" ".join(k["name"] + ":" + k["code"] for k in r.get("kept", [])), len(r["activations"])))'
}
try digits_cnn.onnx
try digits_cnn.onnx --nodes 'conv*'
try digits_cnn.onnx --exclude-nodes conv2_1
try digits_cnn.onnx --tensors conv1.weight
try digits_cnn.onnx --exclude-tensors 'conv*'
try digits_cnn.onnx --op-types Conv
try digits_cnn.onnx --exclude-op-types Conv,Relu
try digits_cnn.onnx --type uint8
try digits_cnn.onnx --per-tensor
try digits_cnn.onnx --tensor-type 'conv*=int16,conv2.weight=float'
echo '{ "conv2.weight": [{ "quant_type": "QUInt8", "axis": 0 }], "conv1.weight": [{ "quant_type": "float" }] }' >o.json
try digits_cnn.onnx --overrides o.json
try digits_cnn.onnx --reduce-range --asymmetric
try digits_mlp.onnx --type int4
try digits_mlp.onnx --type uint4 --ends-type uint8 --block-size 16
try digits_mlp.onnx --type int4 --ends-type int4 --block-size 64 --block-fallback skip
try digits_mlp.onnx --type int4 --per-tensor
try digits_mlp.onnx --type int4 --algorithm hqq --range minmax
try digits_mlp.onnx --range stddev=3
try digits_mlp.onnx --target tensorrt
mq quantize out.onnx --data random:4 -o again.onnx 2>&1 | grep -o 'quantized already'
mq quantize digits_cnn.onnx --data random:4 -o no.onnx --nodes conv9 || test $? = 2
mq quantize digits_cnn.onnx --data random:4 -o no.onnx --tensor-type 'nope=int8' || test $? = 2
