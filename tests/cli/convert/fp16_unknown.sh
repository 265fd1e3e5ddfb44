# A pattern without a match.
cp "$TESTDATA/digits_cnn.onnx" .
mq convert digits_cnn.onnx -o out.onnx --precision fp16 --exclude-nodes conv9
