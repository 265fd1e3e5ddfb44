# Settings of single tensors, in ONNX Runtime's form; they win over options.
cat >o.json <<'END'
{ "fc1.weight": [{ "quant_type": "QUInt8", "symmetric": false }],
  "fc2.weight": [{ "scale": 0.02, "zero_point": 3 }],
  "fc3.weight": { "quant_type": "float" } }
END
mq quantize -q "$TESTDATA/digits_mlp.onnx" -o out.onnx --overrides o.json --type int4 --depfile out.d --json | python3 -c 'import json, sys
r = json.load(sys.stdin)
print([(c["name"], c["to"]) for c in r["changed"]], [(k["name"], k["code"]) for k in r["kept"]], r["options"])'
grep -c o.json out.d
mq inspect out.onnx --tensors 'fc2.weight_*' | grep -E 'scale|zero_point'
