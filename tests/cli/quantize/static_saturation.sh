# On x86 without VNNI: weights in whose products two could saturate use 7 bits, others 8; counted and named everywhere.
q() { mq quantize "$TESTDATA/digits_cnn.onnx" -f --data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 50 "$@"; }
q -o a.onnx --target onnxruntime,x64-avx2 --report a.json,a.md,a.html >summary.txt 2>&1
q -q -o b.onnx --target onnxruntime,x64-vnni --report b.json
q -q -o c.onnx --target onnxruntime,x64-avx2 --no-reduce-range
q -q -o d.onnx --target onnxruntime,x64-avx2 --type uint8 --report d.json
echo '{ "conv2.weight": [{ "reduce_range": false }] }' >o.json
q -q -o e.onnx --target onnxruntime,x64-avx2 --overrides o.json --report e.json
cmp b.onnx c.onnx
! cmp -s a.onnx b.onnx
python3 - <<'P'
import json
a, b, d, e = (json.load(open(f"{x}.json")) for x in "abde")
names = [s["name"] for s in a["saturating"]]
assert names and "saturating" not in b and "saturating" not in d
for s in a["saturating"]:
    assert s["bits"] == 7 and abs(s["sum"]) > 32767, s
    assert f"`{s['name']}`" in open("a.md").read() and f"<code>{s['name']}</code>" in open("a.html").read()
assert [w["place"] for w in e["warnings"]] == ["conv2.weight"] and e["warnings"][0]["code"] == "saturation-x86"
assert [s["bits"] for s in e["saturating"] if s["name"] == "conv2.weight"] == [8]
assert f"7 bits   {len(names)} weights" in open("summary.txt").read()
P
