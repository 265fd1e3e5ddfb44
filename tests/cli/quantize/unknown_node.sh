# A filter that matches nothing is an error, with the nearest names.
cp "$TESTDATA/digits_cnn.onnx" .
mq quantize digits_cnn.onnx -o out.onnx --exclude-nodes conv3
