# Nothing is resized.
cp "$TESTDATA/digits_cnn.onnx" .
mq convert digits_cnn.onnx -o out.onnx --embed-preprocess resize=8x8,scale=1/16
