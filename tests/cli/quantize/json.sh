# --json is a report on standard output and nothing else there.
mq quantize "$TESTDATA/digits_mlp.onnx" -o out.onnx --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["verdict"])'
