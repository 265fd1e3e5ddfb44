# The last pattern that fits counts; float leaves a tensor; a pattern has to match.
cd "$TESTDATA"
report() { python3 -c 'import json, sys
r = json.load(sys.stdin)
print([(c["name"], c["to"]) for c in r["changed"]], [(k["name"], k["code"]) for k in r.get("kept", [])])'; }
mq quantize -q digits_mlp.onnx --dry-run --json --tensor-type 'fc*=int4,fc2*=uint8' --tensor-type fc1.weight=float | report
mq quantize -q digits_mlp.onnx --dry-run --json --type int4 --ends-type uint8 | report
mq quantize digits_mlp.onnx --dry-run --tensor-type 'nope*=int4' || test $? = 2
mq quantize digits_mlp.onnx --dry-run --tensor-type 'fc1.weight=int3' || test $? = 2
