# Layer by layer: a clipped range and its option; names for --exclude-nodes; the forms of the report; what it needs.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
data=(--data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 50)
mq quantize m.onnx -q "${data[@]}" --calibration percentile --percentile 90 -o q.onnx
mq check q.onnx --against m.onnx "${data[@]}" --layers --min-sqnr 0 2>/dev/null >table
sed -nE '/layer +own/,/^[a-z0-9]+:/p' table | sed -E 's/ +-?[0-9]+\.[0-9]+/ N/g;s/hold.*clipped/hold ... clipped/' | sed -n 1,4p
grep -c 'clipped-range' table
mq check q.onnx --against m.onnx "${data[@]}" --layers --min-sqnr 0 -q >names
head -1 names
sed 1q names >worst
mq quantize m.onnx -q "${data[@]}" --calibration percentile --percentile 90 --exclude-nodes @worst -o r.onnx
mq check r.onnx --against m.onnx "${data[@]}" --layers --min-sqnr 0 -q | grep -cx "$(cat worst)" || true
mq check q.onnx --against m.onnx "${data[@]}" --layers --min-sqnr 0 -q --json --report r.md --report r.html --report r.xml >r.json
python3 -c 'import json; l = json.load(open("r.json"))["layers"]; print(len(l), l[0]["name"], l[0]["cause"], l[0]["own_db"] < l[-1]["own_db"])'
grep -c 'clipped-range' r.md r.html | sed 's/:[1-9].*/: yes/'
mq check q.onnx --against m.onnx "${data[@]}" --layers -q --min-sqnr 90 >/dev/null || echo $?
mq check q.onnx --layers || echo $?
mq check m.onnx --against m.onnx --layers -q || echo $?
