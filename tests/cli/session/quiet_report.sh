# -q leaves the report as it is.
mq check "$TESTDATA/digits_mlp.onnx" -q --json >r.json
python3 -m json.tool r.json >/dev/null
