# Nothing is float there.
cp "$TESTDATA/digits_cnn.onnx" .
mq convert digits_cnn.onnx -o out.onnx --precision fp32
