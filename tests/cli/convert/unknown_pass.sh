# A name that no rewrite has.
cp "$TESTDATA/digits_cnn.onnx" .
mq convert digits_cnn.onnx -o out.onnx --passes fold-constant
