# The options of a report are a config file, and so is the report itself.
mq check "$TESTDATA/digits_mlp.onnx" --target onnx --strict --report a.json >/dev/null
python3 -c 'import json; json.dump(json.load(open("a.json"))["options"], open("c.json", "w"))'
mq check "$TESTDATA/digits_mlp.onnx" --config c.json --report b.json >/dev/null
python3 -c 'import json; assert json.load(open("a.json"))["options"] == json.load(open("b.json"))["options"]'
python3 -c 'import json; print(json.load(open("b.json"))["options"])'
mq check "$TESTDATA/digits_mlp.onnx" --config a.json --report d.json >/dev/null
cmp <(python3 -c 'import json; print(json.load(open("a.json"))["options"])') \
    <(python3 -c 'import json; print(json.load(open("d.json"))["options"])')
