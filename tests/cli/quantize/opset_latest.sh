mq quantize "$TESTDATA/digits_cnn.onnx" -q -o out.onnx --opset latest
mq inspect out.onnx --json | python3 -c 'import json, sys; print([o["version"] for o in json.load(sys.stdin)["model"]["opsets"]])'
