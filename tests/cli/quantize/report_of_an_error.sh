# Exit 4 has a report with the error; exit 2 has none.
cp "$TESTDATA/odd/no_nodes.onnx" "$TESTDATA/digits_mlp.onnx" .
mq quantize no_nodes.onnx -q -o out.onnx --report r.json || test $? = 4
python3 -c 'import json; r = json.load(open("r.json")); print(r["verdict"], r["error"]["exit_status"])'
mq quantize digits_mlp.onnx -q -o out.onnx --nodes nowhere --report none.json 2>/dev/null || test $? = 2
test ! -e none.json
