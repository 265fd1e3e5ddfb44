# --json leaves standard output to the report; its options are a --config.
mq run "$TESTDATA/digits_cnn.onnx" -q --data random:2 --json >r.json
sed -n '/^  "run"/,/^  }/p' r.json | grep -v '"m[ai][nx]"'
mq run "$TESTDATA/digits_cnn.onnx" -q --config r.json | grep -c '^sample'
