# Axes that have no layout.
cp "$TESTDATA/digits_cnn.onnx" .
mq convert digits_cnn.onnx -o out.onnx --io-layout logits=nhwc
