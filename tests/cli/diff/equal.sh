# Nothing changed: exit 0; -q is silent, also when weights lie elsewhere.
cp "$TESTDATA/digits_cnn.onnx" a.onnx
mq convert a.onnx -q -O 0 --external-data w.bin -o b.onnx
mq diff a.onnx a.onnx
mq diff a.onnx b.onnx -q
