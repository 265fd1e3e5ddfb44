# For what k most sensitive layers in float give, a search finds a model that is no larger, whatever k.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
for type in int8 int4; do
    how="--mode weight --type $type --val-data $TESTDATA/digits.npz:test_x --preprocess scale=1/16 --samples 60 -f -q"
    mq quantize m.onnx $how -o s.onnx --sensitivity --report s.json
    python3 -c '
import json
print(*[s["name"] for s in json.load(open("s.json"))["sensitivity"]])' >ranking
    float=
    for name in $(cut -d' ' -f1-4 ranking); do
        float="$float --exclude-tensors $name"
        mq quantize m.onnx $how $float -o k.onnx --verify run --report k.json 2>/dev/null
        bound=$(python3 -c 'import json; print(json.load(open("k.json"))["agreement"][0]["sqnr_db"] - 0.001)')
        mq quantize m.onnx $how -o b.onnx --min-sqnr "$bound" 2>/dev/null
        test "$(stat -c %s b.onnx)" -le "$(stat -c %s k.onnx)" || echo "$type, $bound dB: larger"
    done
done
