# Versions and names; the report holds the same.
cp "$TESTDATA/digits_cnn_opset9.onnx" a.onnx
mq convert a.onnx -q --opset 18 --rename input=pixels -o b.onnx
mq diff a.onnx b.onnx --report r.json || test $? = 1
grep -c '"code": "opset-changed"' r.json
mq diff -q a.onnx b.onnx
