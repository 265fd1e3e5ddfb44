# The options of a report, given back, give the same file.
mq quantize "$TESTDATA/digits_cnn.onnx" -q -o a.onnx --exclude-nodes 'conv1*' --per-tensor --opset 18 --max-size 90% --report a.json
python3 -c 'import json; json.dump(json.load(open("a.json"))["options"], open("c.json", "w"))'
mq quantize "$TESTDATA/digits_cnn.onnx" -q -o b.onnx --config c.json
cmp a.onnx b.onnx
