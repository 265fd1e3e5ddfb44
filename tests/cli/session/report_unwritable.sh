# A report that cannot be written is exit 5.
mq check "$TESTDATA/digits_mlp.onnx" --report none/r.json >/dev/null
