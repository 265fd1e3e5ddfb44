# Values of the file count until the command line gives them.
echo '{"target": "nonsense"}' >bad.json
mq check "$TESTDATA/digits_mlp.onnx" --config bad.json && exit 9
mq check "$TESTDATA/digits_mlp.onnx" --config bad.json --target onnx >/dev/null
