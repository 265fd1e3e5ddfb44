# The report names what was excluded.
mq quantize "$TESTDATA/digits_cnn.onnx" -q -o out.onnx --tensors 'conv*' --exclude-tensors conv1.weight --report r.json
python3 - <<'P'
import json
r = json.load(open("r.json"))
print(sorted(t["name"] for t in r["changed"]))
print(sorted((t["name"], t["code"]) for t in r["kept"]))
P
